/** The examples run, and do what they say. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { inTime, makeFifo, makeFolder } from './support/fixtures.ts';
import { projectRoot, run } from './support/launch.ts';

const folder = join(projectRoot, 'dist/examples');

function example(name: string, ...args: string[]): { command: string; args: string[] } {
  return { command: process.execPath, args: [join(folder, `${name}.js`), ...args] };
}

test('each example is run by a test here', (t) => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.js'));
  t.deepEqual(names.toSorted(), ['checksum.js', 'deadline.js']);
});

test('checksum sums a file up', async (t) => {
  const path = join(await makeFolder(t), 'file');
  const bytes = Buffer.alloc(1_000_003, 3);
  writeFileSync(path, bytes);
  const { status, stdout, stderr } = await run(example('checksum', path));
  t.is(status, 0, stderr);
  t.regex(stdout, /^sum 3000009 of 1000003 bytes\n\d+ reads, \d+ system calls of the driver\n$/);
});

test('checksum of an empty file, and of none', async (t) => {
  const path = join(await makeFolder(t), 'file');
  writeFileSync(path, '');
  const empty = await run(example('checksum', path));
  t.regex(empty.stdout, /^sum 0 of 0 bytes\n/);
  const missing = await run(example('checksum', `${path}-missing`));
  t.is(missing.status, 1);
  t.regex(missing.stderr, /ENOENT: no such file or directory, open '.*-missing'/);
  const usage = await run(example('checksum'));
  t.is(usage.status, 2);
});

test('deadline gives up a pipe that nobody writes to, and the pipe stays whole', async (t) => {
  const fifo = makeFifo(await makeFolder(t));
  const { status, stdout, stderr } = await run(example('deadline', fifo, '100'));
  t.is(stderr, '');
  t.is(stdout, 'nothing within 100 ms\n');
  t.is(status, 0);
  t.is(execFileSync('stat', ['-c', '%F', fifo], { encoding: 'utf8' }), 'fifo\n');
});

test('deadline reads what is written in time', async (t) => {
  const fifo = makeFifo(await makeFolder(t));
  const writer = openSync(fifo, constants.O_RDWR);
  const { command, args } = example('deadline', fifo, '60000');
  const child = spawn(command, args, { cwd: projectRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  writeSync(writer, 'good news\n');
  const output = inTime(text(child.stdout), 'the example', 30_000);
  t.is(await output, 'read: good news\n');
  if (child.exitCode === null) await once(child, 'exit');
  t.is(child.exitCode, 0);
  closeSync(writer);
});
