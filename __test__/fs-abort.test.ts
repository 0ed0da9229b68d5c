/** Signals: before, during and after an operation, and what is left of it. */

import { execFileSync } from 'node:child_process';
import nodeFs from 'node:fs';
import nodePromises from 'node:fs/promises';
import { getEventListeners } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import * as fs from 'wakering/fs';
import type { Fs } from 'wakering/fs';
import { errorOf, pattern } from './support/same-as-node.js';

const folder = nodeFs.mkdtempSync(path.join(os.tmpdir(), 'wakering-abort-'));
const at = (name: string): string => path.join(folder, name);
nodeFs.writeFileSync(at('file'), 'content');
nodeFs.mkdirSync(at('folder'));
nodeFs.symlinkSync('file', at('link'));
test.after.always(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

const fdCount = (): number => nodeFs.readdirSync('/proc/self/fd').length;
const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => {
      throw new Error('it was fulfilled');
    },
    (error: NodeJS.ErrnoException) => error,
  );

/** Each operation with a signal, and the name that it would make. */
const operations: readonly [keyof Fs, (signal: AbortSignal) => Promise<unknown>][] = [
  ['open', (signal) => fs.open(at('fresh'), 'w', 0o666, { signal })],
  ['readFile', (signal) => fs.readFile(at('file'), { signal })],
  ['writeFile', (signal) => fs.writeFile(at('fresh'), 'x', { signal })],
  ['appendFile', (signal) => fs.appendFile(at('fresh'), 'x', { signal })],
  ['stat', (signal) => fs.stat(at('file'), { signal })],
  ['lstat', (signal) => fs.lstat(at('file'), { signal })],
  ['access', (signal) => fs.access(at('file'), 0, { signal })],
  ['readdir', (signal) => fs.readdir(folder, { signal })],
  ['mkdir', (signal) => fs.mkdir(at('fresh'), { signal })],
  ['mkdtemp', (signal) => fs.mkdtemp(at('fresh-'), { signal })],
  ['rm', (signal) => fs.rm(at('file'), { signal })],
  ['rmdir', (signal) => fs.rmdir(at('folder'), { signal })],
  ['unlink', (signal) => fs.unlink(at('file'), { signal })],
  ['rename', (signal) => fs.rename(at('file'), at('fresh'), { signal })],
  ['link', (signal) => fs.link(at('file'), at('fresh'), { signal })],
  ['symlink', (signal) => fs.symlink('file', at('fresh'), null, { signal })],
  ['readlink', (signal) => fs.readlink(at('link'), { signal })],
  ['realpath', (signal) => fs.realpath(at('link'), { signal })],
  ['copyFile', (signal) => fs.copyFile(at('file'), at('fresh'), 0, { signal })],
  ['truncate', (signal) => fs.truncate(at('file'), 1, { signal })],
];

for (const [name, operation] of operations) {
  test.serial(`${name} with a signal that was given before does nothing`, async (t) => {
    const reason = { why: name };
    const before = nodeFs.readdirSync(folder);
    const error = await failure(operation(AbortSignal.abort(reason)));
    t.is(error.name, 'AbortError');
    t.is(error.code, 'ABORT_ERR');
    t.is(error.message, 'The operation was aborted');
    t.is(error.cause, reason);
    t.deepEqual(Object.keys(error).toSorted(), ['code', 'name']);
    t.deepEqual(nodeFs.readdirSync(folder), before);
    t.is(nodeFs.readFileSync(at('file'), 'utf8'), 'content');
  });
}

test.serial('the error is the one that node:fs gives', async (t) => {
  const signal = AbortSignal.abort('why');
  const mine = errorOf(await failure(fs.readFile(at('file'), { signal })));
  const theirs = errorOf(await failure(nodePromises.readFile(at('file'), { signal })));
  t.deepEqual(mine, theirs);
});

test.serial(
  'signals that are given at any moment give one outcome and leave nothing',
  async (t) => {
    const operations: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => fs.readFile(at('file'), { signal }),
      (signal) => fs.stat(at('file'), { signal }),
      (signal) => fs.readdir(folder, { signal, recursive: true }),
      (signal) => fs.writeFile(at('target'), pattern(10_000), { signal }),
      (signal) => fs.open(at('file'), 'r', 0, { signal }).then((handle) => handle.close()),
    ];
    const fds = fdCount();
    const counts = { fulfilled: 0, aborted: 0 };
    for (let round = 0; round < 1500; round += 1) {
      const controller = new AbortController();
      const { signal } = controller;
      const working = operations[round % operations.length]?.(signal);
      if (round % 3 === 0) queueMicrotask(() => controller.abort());
      else if (round % 3 === 1) setImmediate(() => controller.abort());
      else controller.abort();
      try {
        await working;
        counts.fulfilled += 1;
      } catch (error) {
        t.is((error as Error).name, 'AbortError');
        counts.aborted += 1;
      }
      if (getEventListeners(signal, 'abort').length > 0) t.fail('a listener is left');
    }
    t.log(counts);
    t.is(counts.fulfilled + counts.aborted, 1500);
    t.true(counts.aborted > 0);
    // What was aborted while it opened closes a moment later.
    for (let tries = 0; fdCount() > fds && tries < 100; tries += 1) await pause(20);
    t.is(fdCount(), fds);
  },
);

test.serial('one signal for many operations has one listener, and none afterwards', async (t) => {
  const { signal } = new AbortController();
  const many = Array.from({ length: 30 }, () => fs.readFile(at('file'), { signal }));
  t.true(getEventListeners(signal, 'abort').length <= 1);
  await Promise.all(many);
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test.serial(
  'writeFile from a generator stops between two pieces, and closes the file',
  async (t) => {
    const fds = fdCount();
    const controller = new AbortController();
    let given = 0;
    async function* pieces(): AsyncGenerator<string> {
      for (;;) {
        given += 1;
        if (given === 3) controller.abort('enough');
        yield 'piece';
      }
    }
    const { signal } = controller;
    const error = await failure(fs.writeFile(at('endless'), pieces(), { signal }));
    t.is(error.name, 'AbortError');
    t.is(error.cause, 'enough');
    t.is(given, 3);
    t.is(fdCount(), fds);
    nodeFs.unlinkSync(at('endless'));
  },
);

test.serial('a read that waits for a pipe is ended by its signal', async (t) => {
  execFileSync('mkfifo', [at('pipe')]);
  await using handle = await fs.open(at('pipe'), 'r+');
  const controller = new AbortController();
  const { signal } = controller;
  const reading = handle.read({ buffer: Buffer.alloc(4), signal });
  await pause(30);
  controller.abort('no patience');
  const error = await failure(reading);
  t.is(error.name, 'AbortError');
  t.is(error.cause, 'no patience');
  await handle.write('kept');
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(4));
  t.is(bytesRead, 4);
  t.is(buffer.toString(), 'kept');
  nodeFs.unlinkSync(at('pipe'));
});

test.serial('a read that waits for a pipe is ended by close', async (t) => {
  execFileSync('mkfifo', [at('pipe')]);
  const handle = await fs.open(at('pipe'), 'r+');
  const reading = failure(handle.read(Buffer.alloc(4)));
  await pause(30);
  await handle.close();
  const error = await reading;
  t.truthy(error.code);
  nodeFs.unlinkSync(at('pipe'));
});

test.serial('rm that is aborted stops and says so', async (t) => {
  nodeFs.mkdirSync(at('tree'));
  for (let index = 0; index < 500; index += 1) nodeFs.writeFileSync(at(`tree/${index}`), '');
  const controller = new AbortController();
  const { signal } = controller;
  const removing = fs.rm(at('tree'), { recursive: true, signal });
  setImmediate(() => controller.abort());
  const outcome = await removing.then(
    () => 'removed',
    (error: Error) => error.name,
  );
  t.true(outcome === 'AbortError' ? nodeFs.existsSync(at('tree')) : outcome === 'removed');
  nodeFs.rmSync(at('tree'), { recursive: true, force: true });
});
