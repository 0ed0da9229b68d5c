/** What the system refuses is said exactly as `node:fs/promises` says it. */

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Comparison } from './programs/refusals.ts';
import { makeFifo, makeFolder, programPath } from './support/fixtures.ts';
import { confine, launchObstacle, run, skip } from './support/launch.ts';
import type { Command } from './support/launch.ts';

const NOBODY = 65_534;

function program(topic: string, folder: string): string[] {
  return [process.execPath, programPath('refusals'), topic, folder];
}

/** Runs a topic; each line of it is one assertion. */
async function compared(t: ExecutionContext, command: Command): Promise<Map<string, unknown>> {
  const { status, signal, stdout, stderr } = await run(command);
  t.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as Comparison);
  for (const row of rows) if ('node' in row) t.deepEqual(row.ours, row.node, row.name);
  return new Map(rows.map(({ name, ours }) => [name, ours]));
}

function code(rows: ReadonlyMap<string, unknown>, name: string): unknown {
  return (rows.get(name) as { code?: unknown } | undefined)?.code;
}

test.serial('EMFILE: descriptors have run out, and what needs none goes on', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const folder = await makeFolder(t);
  writeFileSync(join(folder, 'file'), Buffer.alloc(2 << 20));
  mkdirSync(join(folder, 'folder/sub'), { recursive: true });
  symlinkSync('file', join(folder, 'link'));
  const rows = await compared(t, confine({ files: 64 }, program('emfile', folder)));
  t.is(code(rows, 'open'), 'EMFILE');
  t.is(code(rows, 'a runtime'), 'EMFILE');
  t.deepEqual(rows.get('stat'), { value: 2 << 20 });
});

test.serial('ENOSPC: a tmpfs is full', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const folder = await makeFolder(t);
  // In a mount namespace of its own, which goes with the process.
  const mount = `mount -t tmpfs -o size=64k,nr_inodes=16 none '${folder}'`;
  const inside = (lines: string, argv: string[] = []): Command => {
    return { command: 'unshare', args: ['--mount', 'sh', '-ec', lines, 'sh', ...argv] };
  };
  const trial = await run(inside(mount)).catch((error: Error) => ({ stderr: error.message }));
  if (trial.stderr !== '') return skip(t, `no tmpfs can be mounted: ${trial.stderr.trim()}`);
  const rows = await compared(t, inside(`${mount}; exec "$@"`, program('enospc', folder)));
  t.is(code(rows, 'writeFile'), 'ENOSPC');
  t.is(code(rows, 'mkdir'), 'ENOSPC');
});

test.serial('ENOSPC: a device is always full', async (t) => {
  const [command = '', ...args] = program('full', await makeFolder(t));
  const rows = await compared(t, { command, args });
  t.is(code(rows, 'writeFile'), 'ENOSPC');
});

test.serial('EACCES: somebody without the right to', async (t) => {
  const obstacle = launchObstacle(NOBODY);
  if (obstacle !== undefined) return skip(t, obstacle);
  const folder = await makeFolder(t);
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('locked'));
  writeFileSync(at('locked/file'), 'x');
  symlinkSync('file', at('locked/link'));
  mkdirSync(at('fixed/empty'), { recursive: true });
  writeFileSync(at('fixed/file'), 'x');
  writeFileSync(at('private'), 'x');
  writeFileSync(at('readonly'), 'x');
  const modes = { private: 0, readonly: 0o444, locked: 0, fixed: 0o555, '.': 0o755 };
  for (const [name, mode] of Object.entries(modes)) chmodSync(at(name), mode);
  t.teardown(() => {
    for (const name of ['locked', 'fixed']) chmodSync(at(name), 0o755);
  });
  const rows = await compared(t, confine({ user: NOBODY }, program('eacces', folder)));
  for (const name of ['open', 'readdir', 'mkdir', 'stat below']) {
    t.is(code(rows, name), 'EACCES', name);
  }
});

test.serial('EISDIR, ELOOP, ENAMETOOLONG, EFBIG and the rest', async (t) => {
  const folder = await makeFolder(t);
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('folder'));
  mkdirSync(at('full/something'), { recursive: true });
  writeFileSync(at('file'), 'content');
  symlinkSync('file', at('link'));
  symlinkSync('nowhere', at('dead'));
  symlinkSync('loop', at('loop'));
  makeFifo(folder);
  // RLIMIT_FSIZE: 8 MiB in blocks of 512 bytes.
  const limited = ['-c', 'ulimit -f 16384; exec "$@"', 'sh', ...program('various', folder)];
  const rows = await compared(t, { command: 'sh', args: limited });
  for (const [name, ours] of rows) {
    const [, errno] = /^(E[A-Z]+):/.exec(name) ?? [];
    if (errno === undefined) continue;
    const found = ours as { code?: unknown; value?: { code?: unknown } };
    // Root may do some of it, and links of folders are EPERM or EACCES: Node's answer is the rule.
    t.truthy(found.code ?? found.value?.code, `${name} is refused`);
  }
});
