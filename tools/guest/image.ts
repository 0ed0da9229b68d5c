/** What a guest starts from: its initial file system and, if wished, a disk. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launcher } from '../../__test__/support/launch.ts';
import { Archive } from './archive.ts';
import { carry } from './carry.ts';
import { GuestError } from './error.ts';
import type { GuestRun } from './guest.ts';
import * as host from './host.ts';
import { modules, type Kernel } from './kernel.ts';

/** Writes the guest's initial file system. */
export function pack(run: GuestRun, chosen: Kernel, path: string): void {
  const archive = new Archive(path);
  const program = (from: string, to: string): void => {
    archive.file(to, readFileSync(from), 0o755);
  };
  program(staticBusybox(), '/bin/busybox');
  program(join(import.meta.dirname, 'init'), '/init');
  program(launcher('confine'), '/usr/local/bin/confine');
  program(launcher('refuse-uring'), '/usr/local/bin/refuse-uring');
  // Scripts begin with it.
  archive.link('/usr/bin/env', '/bin/busybox');
  archive.folder('/dev');
  archive.folder('/root');
  const { user } = run;
  const users = user === undefined ? '' : `user:x:${user}:${user}::/tmp:/bin/sh\n`;
  archive.file('/etc/passwd', `root:x:0:0::/root:/bin/sh\n${users}`, 0o644);
  archive.file('/etc/group', `root:x:0:\n${user === undefined ? '' : `user:x:${user}:\n`}`, 0o644);
  archive.file('/etc/hosts', '127.0.0.1 localhost guest\n', 0o644);
  archive.file('/job', job(run), 0o644);
  if (run.disk !== undefined) {
    const wanted = ['virtio_pci', 'virtio_blk', 'crc32c_generic', 'crc32c-intel', 'ext4'];
    let order = 100;
    for (const [name, content] of modules(chosen, wanted)) {
      archive.file(`/modules/${order++}-${name}.ko`, content, 0o644);
    }
  }
  for (const folder of run.writable ?? []) archive.folder(folder, 0o1777);
  carry(archive, run.cargo ?? []);
  archive.close();
}

function staticBusybox(): string {
  const busybox = host.which('busybox');
  if (busybox === undefined) throw new GuestError('busybox is missing: install busybox-static');
  // A dynamic executable names its loader.
  if (readFileSync(busybox).includes('/lib64/ld-linux')) {
    throw new GuestError(`${busybox} is not static: install busybox-static in its place`);
  }
  return busybox;
}

/** What init reads: shell text that sets the stage and defines the command. */
function job(run: GuestRun): string {
  const limits: readonly (readonly [string, number | undefined])[] = [
    ['--user', run.user],
    ['--memlock', run.memlockKib === undefined ? undefined : run.memlockKib * 1024],
    ['--nofile', run.files],
  ];
  const given = limits.flatMap(([name, value]) => (value === undefined ? [] : [name, `${value}`]));
  const words = [
    ...(given.length > 0 ? ['confine', ...given, '--'] : []),
    ...(run.refuseUring === undefined ? [] : ['refuse-uring', run.refuseUring, '--']),
    ...run.command,
  ];
  const lines = Object.entries(run.env ?? {}).map(([name, value]) => {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new GuestError(`${name} is no name of a variable`);
    return `export ${name}=${quote(value)}`;
  });
  if (run.uringDisabled !== undefined) {
    lines.push(`want_sysctl kernel.io_uring_disabled ${run.uringDisabled}`);
  }
  if (run.disk !== undefined) lines.push('fs=ext4');
  lines.push(`folder=${quote(run.folder ?? '/')}`, `job() { exec ${words.map(quote).join(' ')}; }`);
  return `${lines.join('\n')}\n`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Makes a disk with an empty ext4 file system. */
export function makeDisk(path: string, size: string): string {
  const [, count, unit] = /^(\d+)([MG])$/.exec(size) ?? [];
  if (count === undefined) throw new GuestError(`--disk ${size}: give a size such as 512M or 2G`);
  writeFileSync(path, '');
  truncateSync(path, Number(count) * (unit === 'G' ? 2 ** 30 : 2 ** 20));
  host.output('mkfs.ext4', ['-q', '-F', path]);
  return path;
}
