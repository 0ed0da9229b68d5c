/** What the host must have: a few Debian packages, a cache folder, perhaps a usable /dev/kvm. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { GuestError } from './error.ts';

/** Prints a line about what the runner does; stdout belongs to the guest. */
export function say(line: string): void {
  process.stderr.write(`guest: ${line}\n`);
}

/** Kernels and package indexes stay here, 30 to 100 MB a kernel. */
export const cache: string =
  process.env['WAKERING_GUEST_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'wakering-guest');

/** The emulator. */
export const emulator = 'qemu-system-x86_64';

/** Each command that the runner calls, and the Debian package that holds it. */
const commands: Readonly<Record<string, string>> = {
  [emulator]: 'qemu-system-x86',
  busybox: 'busybox-static',
  modinfo: 'kmod',
  'mkfs.ext4': 'e2fsprogs',
  xz: 'xz-utils',
  zstd: 'zstd',
  gcc: 'gcc libc6-dev',
};

/** The path of a command, or undefined; administrators' commands are often not on a user's PATH. */
export function which(command: string): string | undefined {
  const folders = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`.split(':');
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}

/** Whether there is a folder of this name. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Sees to it that all commands are there: installs them when it may, else says what to install. */
export function needPackages(): void {
  if (process.arch !== 'x64') throw new GuestError('guests exist only for x86-64');
  const missing = Object.keys(commands).filter((command) => which(command) === undefined);
  if (missing.length === 0) return;
  const packages = missing.flatMap((command) => commands[command]?.split(' ') ?? []);
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  if (process.getuid?.() !== 0 || which('apt-get') === undefined) {
    throw new GuestError(`missing ${missing.join(', ')}: apt-get install ${packages.join(' ')}`);
  }
  say(`installing ${packages.join(' ')} (once; about a minute)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-qq'], install]) {
    const { status, stderr, stdout } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status !== 0) throw new GuestError(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}

/**
 * Whether /dev/kvm runs this kernel. In some nested virtual machines it is there and does not: one
 * trial is made per boot of the host, and its answer kept.
 */
export function kvmWorks(kernel: string): boolean {
  try {
    accessSync('/dev/kvm', constants.W_OK);
  } catch {
    return false;
  }
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const answer = join(cache, `kvm-${boot}`);
  if (!existsSync(answer)) {
    mkdirSync(cache, { recursive: true });
    const works = kvmTrial(kernel);
    if (!works) say('/dev/kvm does not run this kernel here: software emulation from now on');
    writeFileSync(answer, works ? 'yes' : 'no');
  }
  return readFileSync(answer, 'utf8') === 'yes';
}

/** Boots the kernel without anything else: it either greets within seconds or never. */
function kvmTrial(kernel: string): boolean {
  const args = [...machine, '-accel', 'kvm', '-cpu', kvmCpu, '-m', '512', '-kernel', kernel];
  const append = ['-append', 'console=ttyS0 panic=-1', '-serial', 'stdio'];
  const { stdout } = spawnSync(emulator, [...args, ...append], {
    encoding: 'latin1',
    timeout: 10_000,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return stdout.includes('Linux version');
}

/** The machine that every guest is. */
export const machine: readonly string[] = [
  ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-M', 'pc'],
];

/** The CPU of a guest on KVM. */
export const kvmCpu = 'host,-arch-capabilities';

/** The CPU of an emulated guest: QEMU 7.2 corrupts the flags in an emulated cmpxchg16b. */
export const emulatedCpu = 'max,-cx16';

/** Runs a command of the host to its end and gives its stdout. */
export function output(command: string, args: readonly string[]): string {
  const path = which(command) ?? command;
  return execFileSync(path, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
