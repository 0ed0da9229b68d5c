/** What streams hold while they run: how far they read ahead, and what is left when they end. */

import {
  appendFileSync,
  closeSync,
  constants,
  openSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { buffer } from 'node:stream/consumers';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import { descriptors, eventually, newDescriptors } from './support/counts.ts';
import { inTime, makeFifo, makeFolder, nextTurn, pause } from './support/fixtures.ts';
import { pattern } from './support/same-as-node.ts';

const PIECE = 4096;
/** What the stream reads ahead, and what waits in its own buffer. */
const AHEAD_MAX = 5 * PIECE;

/** A runtime that must hold nothing in the end. */
async function emptyAfter(
  t: ExecutionContext,
  work: (runtime: Runtime, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await makeFolder(t);
  const before = descriptors();
  const runtime = new Runtime();
  t.teardown(() => runtime.close());
  await work(runtime, folder);
  const left = (): number => runtime.metrics().inFlight + runtime.metrics().openFiles;
  t.is(await eventually(left, (count) => count === 0), 0);
  await runtime.close();
  t.deepEqual(await newDescriptors(before), []);
}

test.serial('no more is read ahead of the consumer than four pieces', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = `${folder}/file`;
    writeFileSync(path, pattern(100 * PIECE));
    const stream = runtime.fs.createReadStream(path, { highWaterMark: PIECE });
    let taken = 0;
    let most = 0;
    for await (const chunk of stream) {
      taken += (chunk as Buffer).length;
      if (taken > 60 * PIECE) break;
      // A consumer that is slow: everything that may be read is read meanwhile.
      for (let turn = 0; turn < 3; turn += 1) await nextTurn();
      most = Math.max(most, runtime.metrics().bytes.read - taken);
    }
    t.true(most > PIECE, `something is read ahead: ${most}`);
    t.true(most <= AHEAD_MAX, `${most} bytes were read ahead`);
  });
});

test.serial('a stream that nobody reads reads nothing ahead', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = `${folder}/file`;
    writeFileSync(path, pattern(100 * PIECE));
    const stream = runtime.fs.createReadStream(path, { highWaterMark: PIECE });
    await new Promise((resolve) => stream.once('open', resolve));
    await pause(20);
    t.is(runtime.metrics().bytes.read, 0);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.destroy();
    await inTime(closed, 'the close');
  });
});

const ends: readonly [string, (path: string, runtime: Runtime) => Promise<unknown>][] = [
  [
    'a signal that was aborted before',
    async (path, runtime) => {
      const stream = runtime.fs.createReadStream(path, { signal: AbortSignal.abort() });
      return new Promise((resolve) => stream.once('error', resolve));
    },
  ],
  [
    'a signal that is aborted while it opens',
    async (path, runtime) => {
      const controller = new AbortController();
      const stream = runtime.fs.createReadStream(path, { signal: controller.signal });
      queueMicrotask(() => controller.abort());
      return new Promise((resolve) => stream.once('error', resolve));
    },
  ],
  [
    'a signal in the middle',
    async (path, runtime) => {
      const controller = new AbortController();
      const stream = runtime.fs.createReadStream(path, {
        signal: controller.signal,
        highWaterMark: PIECE,
      });
      const consume = async (): Promise<void> => {
        for await (const _ of stream) controller.abort();
      };
      return consume().catch((error: unknown) => error);
    },
  ],
];

for (const [name, end] of ends) {
  test.serial(`${name} leaves nothing behind`, async (t) => {
    await emptyAfter(t, async (runtime, folder) => {
      const path = `${folder}/file`;
      writeFileSync(path, pattern(100 * PIECE));
      for (let round = 0; round < 20; round += 1) {
        const error = (await inTime(end(path, runtime), name)) as NodeJS.ErrnoException;
        t.is(error.code, 'ABORT_ERR');
      }
    });
  });
}

test.serial('destroy() right away, and after each step, closes the file', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = `${folder}/file`;
    writeFileSync(path, pattern(10 * PIECE));
    for (const step of [undefined, 'open', 'ready', 'data', 'end'] as const) {
      const stream = runtime.fs.createReadStream(path, { highWaterMark: PIECE });
      const closed = new Promise((resolve) => stream.once('close', resolve));
      if (step === undefined) stream.destroy();
      else stream.once(step, () => stream.destroy());
      if (step === 'data' || step === 'end') stream.resume();
      await inTime(closed, `the close after ${step}`);
      t.is(stream.fd, null);
    }
  });
});

test.serial('a file that grows is read to where it ends then', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = `${folder}/file`;
    const whole = pattern(20 * PIECE + 100);
    writeFileSync(path, whole.subarray(0, 10 * PIECE + 50));
    const stream = runtime.fs.createReadStream(path, { highWaterMark: PIECE });
    const found: Buffer[] = [];
    for await (const chunk of stream) {
      if (found.push(chunk as Buffer) === 3) appendFileSync(path, whole.subarray(10 * PIECE + 50));
    }
    t.deepEqual(Buffer.concat(found), whole);
  });
});

test.serial(
  'a file that shrinks ends where it is cut, or behind what was read ahead',
  async (t) => {
    await emptyAfter(t, async (runtime, folder) => {
      const path = `${folder}/file`;
      const whole = pattern(40 * PIECE);
      writeFileSync(path, whole);
      const stream = runtime.fs.createReadStream(path, { highWaterMark: PIECE });
      const found: Buffer[] = [];
      for await (const chunk of stream) {
        if (found.push(chunk as Buffer) === 3) truncateSync(path, 5 * PIECE + 7);
      }
      const got = Buffer.concat(found);
      t.true(got.length >= 5 * PIECE + 7 && got.length <= 3 * PIECE + AHEAD_MAX, `${got.length}`);
      t.deepEqual(got, whole.subarray(0, got.length));
    });
  },
);

test.serial('streams at once, each with its own place', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = `${folder}/file`;
    const whole = pattern(300_000);
    writeFileSync(path, whole);
    await using handle = await runtime.fs.open(path);
    const parts = Array.from({ length: 50 }, (_, index) =>
      buffer(
        runtime.fs.createReadStream(path, { start: index * 1000, highWaterMark: 10_000 + index }),
      ),
    );
    const found = await Promise.all(parts);
    for (const [index, part] of found.entries()) t.true(part.equals(whole.subarray(index * 1000)));
    t.is((await handle.read(Buffer.alloc(1), 0, 1)).bytesRead, 1);
  });
});

const { O_NONBLOCK, O_RDWR } = constants;

test.serial('a pipe is read as bytes come, and leaving it loses none', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = makeFifo(folder);
    const writer = openSync(path, O_RDWR | O_NONBLOCK);
    const stream = runtime.fs.createReadStream(path, { flags: 'r+' });
    writeSync(writer, 'first');
    for await (const chunk of stream) {
      t.is(String(chunk), 'first');
      break;
    }
    for (let round = 0; round < 50; round += 1) {
      const blocked = runtime.fs.createReadStream(path, { flags: 'r+' });
      blocked.resume();
      await new Promise((resolve) => blocked.once('open', resolve));
      if (round % 2 === 0) await nextTurn();
      const closed = new Promise((resolve) => blocked.once('close', resolve));
      blocked.destroy();
      writeSync(writer, 'kept');
      await inTime(closed, 'the close of a blocked pipe');
      const rest = Buffer.alloc(16);
      t.is(rest.toString('utf8', 0, readSync(writer, rest)), 'kept');
    }
    closeSync(writer);
  });
});

test.serial('a web stream of a pipe is given up without losing a byte', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    const path = makeFifo(folder);
    const writer = openSync(path, O_RDWR | O_NONBLOCK);
    const handle = await runtime.fs.open(path, 'r+');
    const reader = handle.readableWebStream().getReader();
    const reading = reader.read();
    await pause(5);
    await inTime(reader.cancel(), 'the cancel');
    t.true((await reading).done);
    writeSync(writer, 'kept');
    const { bytesRead, buffer } = await inTime(handle.read(), 'the next read');
    t.is(buffer.toString('utf8', 0, bytesRead), 'kept');
    await handle.close();
    closeSync(writer);
  });
});

test.serial('a web stream says what the system says, and gives the handle back', async (t) => {
  await emptyAfter(t, async (runtime, folder) => {
    await using handle = await runtime.fs.open(folder);
    const reading = handle.readableWebStream().getReader().read();
    await t.throwsAsync(inTime(reading, 'the read'), { code: 'EISDIR' });
  });
});

test.serial('devices without an end are read as far as one likes', async (t) => {
  await emptyAfter(t, async (runtime) => {
    t.is((await buffer(runtime.fs.createReadStream('/dev/null'))).length, 0);
    t.deepEqual(
      await buffer(runtime.fs.createReadStream('/dev/zero', { end: 99_999 })),
      Buffer.alloc(100_000),
    );
  });
});

test('a bare descriptor is refused, with what to do', async (t) => {
  await using runtime = new Runtime();
  const options = { fd: 0 as never };
  const error = t.throws(() => runtime.fs.createReadStream('', options));
  t.is((error as NodeJS.ErrnoException).code, 'ERR_WAKERING_UNSUPPORTED');
  t.regex(error.message, /FileHandle/);
});
