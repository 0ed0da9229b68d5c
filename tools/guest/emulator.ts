/** Starts the emulator, listens to the guest's four serial ports, and judges how it ended. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { GuestError } from './error.ts';
import type { GuestRun } from './guest.ts';
import * as host from './host.ts';
import type { Kernel } from './kernel.ts';

/** Exit statuses of the runner itself, beside those of the command. */
export const status = {
  /** The command returned 0, but the kernel logged a bug, an oops or a warning. */
  kernelComplained: 122,
  /** The guest died before the command ended. */
  died: 123,
  /** The time limit was reached. */
  timeout: 124,
  /** What was asked for cannot be done. */
  failed: 125,
} as const;

/** How a guest ended. */
export interface Ended {
  /** The command's exit status, or one of {@link status}. */
  readonly status: number;
  /** Whether the command had begun. */
  readonly started: boolean;
}

/** Boots once and waits until the guest is gone. */
export async function boot(
  run: GuestRun,
  chosen: Kernel,
  initrd: string,
  disk: string | undefined,
): Promise<Ended> {
  const kvm = host.kvmWorks(chosen.image);
  const seconds = run.timeoutSeconds ?? (kvm ? 120 : 600);
  const child = spawn(host.emulator, emulatorArguments(run, chosen, kvm, initrd, disk), {
    // The serial ports are sockets on 3 to 6: kernel log, stdout, stderr, progress.
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const [, , complaints, kernelLog, stdout, stderr, progress] = child.stdio as Readable[];
  if (!complaints || !kernelLog || !stdout || !stderr || !progress) {
    throw new GuestError('the emulator got no pipes');
  }
  stdout.on('data', run.onStdout ?? ((chunk: Buffer) => process.stdout.write(chunk)));
  stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  const [emulatorSaid, log, steps] = [complaints, kernelLog, progress].map(collect);
  const late = await ending(child, seconds);

  const [started, code] = steps?.().split('\n') ?? [];
  return { started: started === 'started', status: verdict(log?.() ?? '') };

  function verdict(log: string): number {
    if (code !== undefined && /^\d+$/.test(code)) return judge(chosen, log, Number(code), kvm);
    if (late) {
      host.say(`${chosen.release}: time limit of ${seconds} s\n${tail(log, 5)}`);
      return status.timeout;
    }
    const refused = log.split('\n').filter((line) => line.startsWith('guest: '));
    if (refused.length > 0) {
      process.stderr.write(`${refused.join('\n')}\n`);
      return status.failed;
    }
    host.say(`${chosen.release}: the guest died; the end of its log:\n${tail(log, 25)}`);
    process.stderr.write(emulatorSaid?.() ?? '');
    return status.died;
  }
}

/** Waits for the emulator's end, which the time limit or the runner's own end may bring about. */
async function ending(child: ChildProcess, seconds: number): Promise<boolean> {
  let late = false;
  const stop = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, seconds * 1000);
  process.once('exit', stop);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject).on('close', () => resolve());
    });
  } finally {
    clearTimeout(timer);
    process.off('exit', stop);
  }
  return late;
}

function emulatorArguments(
  run: GuestRun,
  chosen: Kernel,
  kvm: boolean,
  initrd: string,
  disk: string | undefined,
): string[] {
  const kernelArguments = [
    ...['console=ttyS0', 'loglevel=5', 'panic=-1', '8250.nr_uarts=4', 'random.trust_cpu=on'],
    ...['no_timer_check', 'tsc=reliable'],
    // On a busy host an emulated CPU may get no time for long: that is no lockup.
    ...(kvm ? [] : ['nosoftlockup', 'rcupdate.rcu_cpu_stall_timeout=300']),
  ];
  const drive = `file=${disk},format=raw,if=virtio,cache=none,aio=threads`;
  return [
    ...host.machine,
    ...(kvm ? ['-accel', 'kvm', '-cpu', host.kvmCpu] : ['-accel', 'tcg,thread=multi']),
    ...(kvm ? [] : ['-cpu', host.emulatedCpu]),
    ...['-smp', `${run.cpus ?? 2}`, '-m', `${run.memoryMib ?? 2048}`],
    ...['-kernel', chosen.image, '-initrd', initrd, '-append', kernelArguments.join(' ')],
    ...(disk === undefined ? [] : ['-drive', drive]),
    ...[3, 4, 5, 6].flatMap((fd) => serialPort(fd)),
  ];
}

function serialPort(fd: number): string[] {
  return ['-chardev', `socket,id=port${fd},fd=${fd}`, '-serial', `chardev:port${fd}`];
}

/** The command's status, unless the kernel has something against it. */
function judge(chosen: Kernel, log: string, code: number, kvm: boolean): number {
  const bad = /BUG:|Oops|WARNING: |general protection|Call Trace/;
  const stalls = /blocked for more than|rcu.*stall/;
  const lines = log.split('\n').filter((line) => bad.test(line) || (kvm && stalls.test(line)));
  if (lines.length === 0) return code;
  host.say(`${chosen.release}: the kernel complained:\n${lines.slice(0, 20).join('\n')}`);
  return code === 0 ? status.kernelComplained : code;
}

function collect(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  return () => text.replaceAll('\r', '');
}

function tail(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
