/** Opening a FIFO waits for its other end, as open(2) does, whatever carries it out. */

import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { readFile as nodeReadFile, writeFile as nodeWriteFile } from 'node:fs/promises';
import test from 'ava';
import { Runtime } from 'wakering';
import type { OpenFile } from 'wakering';
import { descriptors, eventually, newDescriptors } from './support/counts.ts';
import { inTime, makeFifo, makeFolder, pause, rounds } from './support/fixtures.ts';

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Opens for writing when there is a reader: where there is none, node:fs would wait for one. */
async function openWriter(path: string): Promise<number> {
  const attempt = (): number => {
    try {
      return openSync(path, O_WRONLY | O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENXIO') return -1;
      throw error;
    }
  };
  return eventually(attempt, (fd) => fd >= 0);
}

test.serial('a reader waits for a writer, and gets its bytes', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  const op = runtime.ops.open(path, O_RDONLY, 0);
  await pause(30);
  t.is(op.state, 'pending');
  const writer = await openWriter(path);
  writeSync(writer, 'bytes');
  const file = await inTime(op, 'the open');
  const into = Buffer.alloc(8);
  t.is(await inTime(runtime.ops.read(file, into, 0, 8, null), 'the read'), 5);
  closeSync(writer);
  t.is(await inTime(runtime.ops.read(file, into, 0, 8, null), 'the end'), 0);
});

test.serial('a writer that says nothing is enough for a reader', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  const op = runtime.ops.open(path, O_RDONLY, 0);
  const writer = await openWriter(path);
  t.teardown(() => closeSync(writer));
  await inTime(op, 'the open');
  t.is(op.state, 'fulfilled');
});

test.serial('a writer that came and went is enough too, and its bytes are there', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  for (let round = 0; round < rounds(100); round += 1) {
    const op = runtime.ops.open(path, O_RDONLY, 0);
    const writer = await openWriter(path);
    writeSync(writer, 'gone');
    closeSync(writer);
    const file: OpenFile = await inTime(op, 'the open');
    const into = Buffer.alloc(8);
    t.is(await inTime(runtime.ops.read(file, into, 0, 8, null), 'the read'), 4);
    await runtime.ops.close(file);
  }
});

test.serial('a writer waits for a reader', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  const op = runtime.ops.open(path, O_WRONLY, 0);
  await pause(30);
  t.is(op.state, 'pending');
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  t.teardown(() => closeSync(reader));
  const file = await inTime(op, 'the open');
  t.is(await runtime.ops.write(file, Buffer.from('bytes'), 0, 5, null), 5);
  const into = Buffer.alloc(8);
  t.is(readSync(reader, into), 5);
});

test.serial('with O_NONBLOCK nobody waits', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  await t.throwsAsync(inTime(runtime.ops.open(path, O_WRONLY | O_NONBLOCK, 0), 'the open'), {
    code: 'ENXIO',
  });
  await inTime(runtime.ops.open(path, O_RDONLY | O_NONBLOCK, 0), 'the open');
  t.is(runtime.metrics().openFiles, 1);
});

test.serial('readFile and writeFile of a FIFO meet node:fs at the other end', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  const content = 'x'.repeat(100_000);
  const read = runtime.fs.readFile(path, 'utf8');
  await inTime(nodeWriteFile(path, content), "Node's writeFile");
  t.is(await inTime(read, 'readFile'), content);
  const write = runtime.fs.writeFile(path, content);
  t.is(await inTime(nodeReadFile(path, 'utf8'), "Node's readFile"), content);
  await inTime(write, 'writeFile');
});

test.serial('closing the runtime ends the opens that wait, and leaves no descriptor', async (t) => {
  const folder = await makeFolder(t);
  // Each on a FIFO of its own: the two would find each other.
  const paths = ['one', 'two'].map((name) => makeFifo(folder, name));
  const held = descriptors();
  const runtime = new Runtime();
  const opens = paths.map(async (path, index) => {
    const flags = index === 0 ? O_RDONLY : O_WRONLY;
    const error = await t.throwsAsync(inTime(runtime.ops.open(path, flags, 0), 'an open'));
    return (error as NodeJS.ErrnoException).code;
  });
  await pause(30);
  await inTime(runtime.close(), 'close()');
  t.deepEqual(await Promise.all(opens), ['ABORT_ERR', 'ABORT_ERR']);
  t.deepEqual(await newDescriptors(held), []);
});
