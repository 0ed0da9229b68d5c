/** `readFile` of small files, which come whole with their open, and of all that only looks like one. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Runtime } from 'wakering';
import { makeFifo, makeFolder, numbersFrom, rounds } from './support/fixtures.ts';

/** Around the page, the room of a turn, what is read at once, and the largest that comes whole. */
const SIZES = [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1 << 20, (1 << 20) + 1];

function bytesOf(size: number): Buffer {
  const next = numbersFrom(size);
  return Buffer.from(Uint8Array.from({ length: size }, () => next(256)));
}

test('files of every size come as they are, as bytes and as text', async (t) => {
  await using runtime = new Runtime();
  const folder = await makeFolder(t);
  for (const size of SIZES) {
    const path = join(folder, `${size}`);
    const content = bytesOf(size);
    writeFileSync(path, content);
    const read = await runtime.fs.readFile(path);
    t.true(read.equals(content), `${size} bytes`);
    t.is(read.buffer.byteLength, size, 'memory of its own');
    t.is(await runtime.fs.readFile(path, 'latin1'), content.toString('latin1'));
    t.is(await runtime.fs.readFile(Buffer.from(path), 'base64'), content.toString('base64'));
  }
  t.is(runtime.metrics().openFiles, 0);
});

for (const depth of [1, 7, 64, 300]) {
  test.serial(`many of them, ${depth} at a time, are not mixed up`, async (t) => {
    await using runtime = new Runtime({ queueDepth: 64 });
    const folder = await makeFolder(t);
    const names = Array.from({ length: rounds(600) }, (_, i) => `${i}`);
    for (const name of names) writeFileSync(join(folder, name), `${name} `.repeat(100));
    const before = readdirSync('/proc/self/fd').length;
    let next = 0;
    const reader = async (): Promise<void> => {
      while (next < names.length) {
        const name = names[next] as string;
        next += 1;
        const text = await runtime.fs.readFile(join(folder, name), 'utf8');
        if (text !== `${name} `.repeat(100)) throw new Error(`${name}: ${text.slice(0, 40)}`);
      }
    };
    await Promise.all(Array.from({ length: depth }, reader));
    t.is(next, names.length);
    t.is(runtime.metrics().openFiles, 0);
    t.true(readdirSync('/proc/self/fd').length <= before + 2, 'a pool may have been started');
  });
}

test('what has no size, is a folder or a link is read as node:fs reads it', async (t) => {
  await using runtime = new Runtime();
  const folder = await makeFolder(t);
  const link = join(folder, 'link');
  writeFileSync(join(folder, 'there'), 'linked');
  symlinkSync('there', link);
  t.is(await runtime.fs.readFile(link, 'utf8'), 'linked');
  t.is(await runtime.fs.readFile('/dev/null', 'utf8'), '');
  t.is(
    await runtime.fs.readFile('/proc/sys/kernel/ostype', 'utf8'),
    await nodeFs.readFile('/proc/sys/kernel/ostype', 'utf8'),
  );
  t.regex(await runtime.fs.readFile('/proc/self/status', 'utf8'), /^Name:[^]*nonvoluntary_ctxt/);
  await t.throwsAsync(runtime.fs.readFile(folder), { code: 'EISDIR' });
  await t.throwsAsync(runtime.fs.readFile(join(folder, 'absent')), { code: 'ENOENT' });
});

test('a FIFO is read to its end, not to what lies in it', async (t) => {
  await using runtime = new Runtime();
  const path = makeFifo(await makeFolder(t));
  const script = `printf one; sleep 0.2; printf two; sleep 0.2; printf three`;
  const writer = spawn('sh', ['-c', `exec >"$1"; ${script}`, 'sh', path]);
  const ended = once(writer, 'close');
  t.is(await runtime.fs.readFile(path, 'utf8'), 'onetwothree');
  await ended;
});

test('a file that grows and shrinks meanwhile is one of those that it was', async (t) => {
  await using runtime = new Runtime();
  const path = join(await makeFolder(t), 'file');
  const large = Buffer.alloc(200_000, 'L');
  writeFileSync(path, large);
  for (let round = 0; round < rounds(300); round += 1) {
    const reading = runtime.fs.readFile(path);
    const length = (round * 7919) % 200_000;
    truncateSync(path, length);
    const read = await reading;
    t.true(read.length <= large.length);
    t.true(read.equals(large.subarray(0, read.length)), 'no bytes that were never in it');
    writeFileSync(path, large);
  }
});

test('a signal ends it, whichever stage it is in', async (t) => {
  await using runtime = new Runtime();
  const folder = await makeFolder(t);
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(500_000));
  await runtime.fs.readFile(path);
  const before = readdirSync('/proc/self/fd').length;
  const counts = { read: 0, aborted: 0 };
  for (let round = 0; round < rounds(500); round += 1) {
    const controller = new AbortController();
    const reading = runtime.fs.readFile(path, { signal: controller.signal });
    for (let tick = 0; tick < round % 5; tick += 1) await Promise.resolve();
    if (round % 7 === 0) await new Promise(setImmediate);
    controller.abort();
    try {
      if ((await reading).length === 500_000) counts.read += 1;
    } catch (error) {
      t.is((error as Error).name, 'AbortError');
      counts.aborted += 1;
    }
  }
  t.log(counts);
  t.is(counts.read + counts.aborted, rounds(500));
  await runtime.fs.readFile(path);
  t.is(runtime.metrics().openFiles, 0);
  t.true(readdirSync('/proc/self/fd').length <= before);
});
