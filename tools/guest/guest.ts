/**
 * Boots a kernel in a virtual machine and runs one command in it.
 *
 * ```text
 * archive (busybox, init, job, cargo, modules) ─► qemu ─► init ─► job
 *   stdout  ◄─ ttyS1 ◄─┤    stderr ◄─ ttyS2 ◄─┤    "started", status ◄─ ttyS3 ◄─┘    log ◄─ ttyS0
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Carried } from './carry.ts';
import { boot, status } from './emulator.ts';
import * as host from './host.ts';
import { makeDisk, pack } from './image.ts';
import { kernel } from './kernel.ts';

/** A command and the guest that it runs in. */
export interface GuestRun {
  /** The kernel's line, such as `6.1`. */
  readonly kernel: string;
  /** The command and its arguments. */
  readonly command: readonly string[];
  /** What comes along. */
  readonly cargo?: readonly Carried[];
  /** Folders of the guest that any user may write to, beside /tmp. */
  readonly writable?: readonly string[];
  /** Where the command runs (`/`). */
  readonly folder?: string;
  /** Variables of the command's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Virtual CPUs (2). */
  readonly cpus?: number;
  /** Memory in MiB (2048); the whole file system lies in it. */
  readonly memoryMib?: number;
  /** The value of kernel.io_uring_disabled, a sysctl since 6.6. */
  readonly uringDisabled?: number;
  /** The error with which a seccomp filter refuses io_uring: eperm, enosys, eacces or kill. */
  readonly refuseUring?: string;
  /** The user that runs the command (root). */
  readonly user?: number;
  /** Locked memory in KiB; root is exempt. */
  readonly memlockKib?: number;
  /** File descriptors. */
  readonly files?: number;
  /** Size of an ext4 file system on a disk, such as `512M`, mounted on /disk. */
  readonly disk?: string;
  /** Limit in seconds, boot included (120; emulated 600). */
  readonly timeoutSeconds?: number;
  /** Takes what the command prints; by default it goes to the runner's own stdout. */
  readonly onStdout?: (chunk: Buffer) => void;
}

/** Runs the command in the guest and gives its exit status, or one of `status` in emulator.ts. */
export async function runGuest(run: GuestRun): Promise<number> {
  host.needPackages();
  const chosen = kernel(run.kernel);
  const work = mkdtempSync(join(tmpdir(), 'wakering-guest-'));
  const clean = (): void => rmSync(work, { recursive: true, force: true });
  const interrupted = (): never => process.exit(130);
  process.once('exit', clean).once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const initrd = join(work, 'initrd');
    pack(run, chosen, initrd);
    const disk = run.disk === undefined ? undefined : makeDisk(join(work, 'disk'), run.disk);
    // An emulated guest can die in its boot through defects of the emulator, which says nothing
    // about the command.
    for (let attempt = 1; ; attempt++) {
      const ended = await boot(run, chosen, initrd, disk);
      if (ended.status !== status.died || ended.started || attempt === 3) return ended.status;
      host.say(`died while booting: attempt ${attempt + 1}`);
    }
  } finally {
    process.off('exit', clean).off('SIGINT', interrupted).off('SIGTERM', interrupted);
    clean();
  }
}
