/**
 * What a program does to its own memory while an operation is under way: it may spoil its own
 * result, and nothing else. Each size goes another way: 4 KiB through a chunk of the runtime's
 * slabs, 200,000 bytes through memory of the addon's.
 */

import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { Op, OpenFile, RuntimeOptions } from 'wakering';
import { eventually } from './support/counts.ts';
import {
  inTime,
  makeFifo,
  makeFolder,
  nextTurn,
  pause,
  programPath,
  rounds,
} from './support/fixtures.ts';

const { O_CREAT, O_NONBLOCK, O_RDWR } = constants;
const SIZES = [4096, 200_000] as const;
const TAKEN = 0xaa;

declare const gc: () => void;

/** A read of a FIFO that waits, and the end to write to. */
interface Blocked {
  readonly runtime: Runtime;
  readonly op: Op<number>;
  readonly writer: number;
}

async function blockedRead(t: ExecutionContext, view: Uint8Array): Promise<Blocked> {
  const path = makeFifo(await makeFolder(t));
  const writer = openSync(path, O_RDWR | O_NONBLOCK);
  t.teardown(() => closeSync(writer));
  const runtime = new Runtime();
  t.teardown(() => runtime.close());
  const file = await runtime.ops.open(path, O_RDWR, 0);
  const op = runtime.ops.read(file, view, 0, view.length, null);
  op.catch(() => {});
  await nextTurn();
  t.is(op.state, 'pending');
  return { runtime, op, writer };
}

/** A file of `bytes` counted bytes. */
async function countedFile(t: ExecutionContext, bytes: number): Promise<[string, Buffer]> {
  const path = join(await makeFolder(t), 'file');
  const content = Buffer.alloc(bytes).map((_, index) => (index * 7 + (index >> 8)) & 0xff);
  writeFileSync(path, content);
  return [path, Buffer.from(content)];
}

async function withFile<T>(
  path: string,
  options: RuntimeOptions,
  use: (runtime: Runtime, file: OpenFile) => Promise<T>,
): Promise<T> {
  await using runtime = new Runtime(options);
  return await use(runtime, await runtime.ops.open(path, O_RDWR | O_CREAT, 0o644));
}

const LOST = { code: 'ERR_INVALID_STATE', message: /had nowhere to go/ };

for (const size of SIZES) {
  test.serial(
    `transfer() under a blocked read of ${size}: the new owner gets nothing`,
    async (t) => {
      const view = new Uint8Array(size);
      const { op, writer } = await blockedRead(t, view);
      const stolen = new Uint8Array(view.buffer.transfer()).fill(TAKEN);
      writeSync(writer, 'bytes');
      await t.throwsAsync(inTime(op, 'the read'), LOST);
      t.true(stolen.every((byte) => byte === TAKEN));
    },
  );

  test.serial(`resize(0) under a blocked read of ${size}: a clear error`, async (t) => {
    const memory = new ArrayBuffer(size, { maxByteLength: size });
    const { op, writer } = await blockedRead(t, new Uint8Array(memory));
    memory.resize(0);
    writeSync(writer, 'bytes');
    await t.throwsAsync(inTime(op, 'the read'), LOST);
    memory.resize(size);
    t.true(
      new Uint8Array(memory).every((byte) => byte === 0),
      'nothing came in',
    );
  });

  test.serial(
    `resize to less than was asked, more than came, under a read of ${size}`,
    async (t) => {
      const memory = new ArrayBuffer(size, { maxByteLength: size });
      const view = new Uint8Array(memory);
      const { op, writer } = await blockedRead(t, view);
      memory.resize(5);
      writeSync(writer, 'bytes');
      t.is(await inTime(op, 'the read'), 5);
      t.is(Buffer.from(memory).toString(), 'bytes');
    },
  );

  test.serial(`transfer to a Worker under a blocked read of ${size}`, async (t) => {
    const view = new Uint8Array(size);
    const { op, writer } = await blockedRead(t, view);
    const worker = new Worker(programPath('keeper'));
    t.teardown(() => worker.terminate());
    worker.postMessage(view.buffer, [view.buffer]);
    await inTime(once(worker, 'message'), 'the Worker');
    writeSync(writer, 'bytes');
    await t.throwsAsync(inTime(op, 'the read'), LOST);
    worker.postMessage('look');
    const [found] = await inTime(once(worker, 'message'), 'the Worker');
    t.deepEqual(found, [TAKEN]);
  });

  test.serial(
    `a buffer that only the blocked read of ${size} knows survives collection`,
    async (t) => {
      const { op, writer } = await blockedRead(t, new Uint8Array(size));
      for (let round = 0; round < 5; round += 1) gc();
      writeSync(writer, 'bytes');
      t.is(await inTime(op, 'the read'), 5);
    },
  );

  test.serial(`transfer() and resize() under reads of ${size} from a file`, async (t) => {
    const [path, content] = await countedFile(t, size);
    await withFile(path, {}, async (runtime, file) => {
      let lost = 0;
      for (let round = 0; round < rounds(400); round += 1) {
        const resizable = new ArrayBuffer(size, { maxByteLength: size });
        const view = round % 2 === 0 ? new Uint8Array(size) : new Uint8Array(resizable);
        const op = runtime.ops.read(file, view, 0, size, 0);
        op.catch(() => {});
        if (round % 3 === 1) await Promise.resolve();
        if (round % 3 === 2) await nextTurn();
        const stolen = round % 2 === 0 ? new Uint8Array(view.buffer.transfer()) : undefined;
        if (stolen === undefined) resizable.resize(0);
        const before = stolen && Buffer.from(stolen);
        try {
          t.is(await inTime(op, 'the read'), size);
          // It was faster: the new owner got what was read before.
          if (stolen) t.true(content.equals(stolen));
        } catch (error) {
          lost += 1;
          t.like(error, { code: 'ERR_INVALID_STATE' });
          if (before && stolen) t.true(before.equals(stolen), 'nothing was written afterwards');
        }
      }
      t.true(lost > 0);
      t.log(`${lost} lost their buffer in time`);
    });
  });

  test.serial(`a write of ${size} writes what the buffer held when it was asked for`, async (t) => {
    const path = join(await makeFolder(t), 'file');
    await withFile(path, {}, async (runtime, file) => {
      for (let round = 0; round < rounds(50); round += 1) {
        const view = new Uint8Array(size).fill(round);
        const op = runtime.ops.write(file, view, 0, size, 0);
        if (round % 2 === 0) view.fill(0xff);
        const stolen = new Uint8Array(view.buffer.transfer()).fill(TAKEN);
        gc();
        t.is(await inTime(op, 'the write'), size);
        t.deepEqual([...new Set(readFileSync(path))], [round & 0xff]);
        t.true(stolen.every((byte) => byte === TAKEN));
      }
    });
  });

  test.serial(`a write of ${size} whose buffer goes while it waits in line`, async (t) => {
    const path = join(await makeFolder(t), 'file');
    await withFile(path, { queueDepth: 1 }, async (runtime, file) => {
      const first = runtime.ops.sleep(20);
      const view = new Uint8Array(size);
      const op = runtime.ops.write(file, view, 0, size, 0);
      op.catch(() => {});
      view.buffer.transfer();
      await first;
      await t.throwsAsync(inTime(op, 'the write'), {
        code: 'ERR_INVALID_STATE',
        message: /nothing was written/,
      });
      t.is(readFileSync(path).length, 0);
    });
  });
}

test.serial('buffers of finished and of forgotten operations are collected', async (t) => {
  const [path] = await countedFile(t, 4096);
  await withFile(path, {}, async (runtime, file) => {
    let collected = 0;
    const registry = new FinalizationRegistry(() => (collected += 1));
    const start = async (size: number): Promise<void> => {
      const view = new Uint8Array(size);
      registry.register(view, undefined);
      const op = runtime.ops.read(file, view, 0, 4096, 0);
      // Half of them are given up at once, and their promise with them.
      if (size % 2 === 1) op.cancel();
      await op.catch(() => {});
    };
    await Promise.all(Array.from({ length: 100 }, (_, index) => start(65_536 + index)));
    const look = (): number => {
      gc();
      return collected;
    };
    t.true((await eventually(look, (count) => count >= 95)) >= 95);
    t.is(runtime.metrics().inFlight, 0);
  });
});

test.serial('growing a WebAssembly.Memory of the program under a blocked read', async (t) => {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: WasmMemoryClass } })
    .WebAssembly;
  const memory = new Memory({ initial: 1, maximum: 4 });
  const { op, writer } = await blockedRead(t, new Uint8Array(memory.buffer, 0, 4096));
  memory.grow(1);
  const fresh = new Uint8Array(memory.buffer).fill(TAKEN);
  writeSync(writer, 'bytes');
  await t.throwsAsync(inTime(op, 'the read'), LOST);
  t.true(fresh.every((byte) => byte === TAKEN));
});

interface WasmMemoryClass {
  new (descriptor: { initial: number; maximum: number }): {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  };
}

for (const size of SIZES) {
  const kinds: Record<string, () => Uint8Array> = {
    'a SharedArrayBuffer': () => new Uint8Array(new SharedArrayBuffer(size)),
    'an unaligned part of a larger one': () => new Uint8Array(size + 64).subarray(13, size + 13),
    'a resizable ArrayBuffer': () =>
      new Uint8Array(new ArrayBuffer(size, { maxByteLength: 2 * size })),
    'a WebAssembly.Memory of the program': () => {
      const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: WasmMemoryClass } })
        .WebAssembly;
      return new Uint8Array(new Memory({ initial: 4, maximum: 4 }).buffer, 3, size);
    },
  };
  for (const [name, make] of Object.entries(kinds)) {
    test.serial(`${name} reads and writes ${size} bytes`, async (t) => {
      const [path, content] = await countedFile(t, size);
      await withFile(path, {}, async (runtime, file) => {
        const view = make();
        t.is(await inTime(runtime.ops.read(file, view, 0, size, 0), 'the read'), size);
        t.true(content.equals(view));
        const around = new Uint8Array(view.buffer);
        t.true(around.subarray(0, view.byteOffset).every((byte) => byte === 0));
        t.true(around.subarray(view.byteOffset + size).every((byte) => byte === 0));
        view.reverse();
        t.is(await inTime(runtime.ops.write(file, view, 0, size, 0), 'the write'), size);
        t.true(readFileSync(path).equals(content.toReversed()));
      });
    });
  }
}

test.serial('no bytes at all are read and written at once', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await withFile(path, {}, async (runtime, file) => {
    const none = new Uint8Array(0);
    t.is(await inTime(runtime.ops.read(file, none, 0, 0, null), 'the read'), 0);
    t.is(await inTime(runtime.ops.write(file, none, 0, 0, null), 'the write'), 0);
    t.is(runtime.metrics().inFlight, 0);
    await pause(0);
  });
});
