/** Leases: memory of the runtime that a program sees, and that nobody else gets meanwhile. */

import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { Lease, Op } from 'wakering';
import { inTime, makeFifo, makeFolder, nextTurn } from './support/fixtures.ts';

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Where a lease lies: the same for two of them only if they share memory. */
function placeOf(view: Buffer, known: Map<ArrayBufferLike, number>): string {
  const memory = known.get(view.buffer) ?? known.size;
  known.set(view.buffer, memory);
  return `${memory}:${view.byteOffset}`;
}

/** Takes leases until there are no more. */
function leaseAll(runtime: Runtime, bytes: number): Lease[] {
  const leases: Lease[] = [];
  try {
    for (;;) leases.push(runtime.lease(bytes));
  } catch (error) {
    if (!/all memory for leases is lent/.test((error as Error).message)) throw error;
    return leases;
  }
}

async function blockedFifo(t: ExecutionContext): Promise<{ path: string; writer: number }> {
  const path = makeFifo(await makeFolder(t));
  const writer = openSync(path, O_RDWR | O_NONBLOCK);
  t.teardown(() => closeSync(writer));
  return { path, writer };
}

for (const bytes of [100, 4096, 65_536]) {
  test.serial(`a lease of ${bytes} is read into and written from in place`, async (t) => {
    const path = join(await makeFolder(t), 'file');
    writeFileSync(path, Buffer.alloc(bytes, 5));
    await using runtime = new Runtime();
    const file = await runtime.ops.open(path, O_RDWR, 0);
    using lease = runtime.lease(bytes);
    const { view } = lease;
    t.is(view.length, bytes);
    t.is(await inTime(runtime.ops.read(file, view, 0, bytes, 0), 'the read'), bytes);
    t.is(lease.view, view);
    t.true(view.every((byte) => byte === 5));
    view.fill(6);
    t.is(await inTime(runtime.ops.write(file, view, 0, bytes, 0), 'the write'), bytes);
    t.is((await runtime.fs.readFile(path)).indexOf(5), -1);
    t.throws(() => runtime.ops.read(file, view, 1, bytes, 0), { code: 'ERR_OUT_OF_RANGE' });
  });

  test.serial(
    `a lease of ${bytes} given back in mid-flight is lent to nobody before the end`,
    async (t) => {
      const { path, writer } = await blockedFifo(t);
      await using runtime = new Runtime();
      const file = await runtime.ops.open(path, O_RDWR, 0);
      const known = new Map<ArrayBufferLike, number>();
      const lease = runtime.lease(bytes);
      const { view } = lease;
      const place = placeOf(view, known);
      const op = runtime.ops.read(file, view, 0, bytes, null);
      await nextTurn();
      lease[Symbol.dispose]();
      t.throws(() => lease.view, { message: /given back/ });
      const others = leaseAll(runtime, bytes);
      t.true(others.length > 10);
      for (const other of others) {
        t.not(placeOf(other.view, known), place);
        other.view.fill(0xaa);
      }
      writeSync(writer, 'bytes');
      t.is(await inTime(op, 'the read'), 5);
      t.is(view.toString('latin1', 0, 5), 'bytes');
      t.true(others.every((other) => other.view.every((byte) => byte === 0xaa)));
      // Now, and only now, it may be somebody else's.
      using next = runtime.lease(bytes);
      t.is(placeOf(next.view, known), place);
      for (const other of others) other[Symbol.dispose]();
    },
  );
}

test.serial('several operations on one lease: the last one gives it back', async (t) => {
  const { path, writer } = await blockedFifo(t);
  await using runtime = new Runtime();
  const file = await runtime.ops.open(path, O_RDWR, 0);
  const known = new Map<ArrayBufferLike, number>();
  const lease = runtime.lease(4096);
  const { view } = lease;
  const place = placeOf(view, known);
  const reads = [0, 1, 2].map((index) => runtime.ops.read(file, view, 4 * index, 4, null));
  await nextTurn();
  lease[Symbol.dispose]();
  const others = leaseAll(runtime, 4096);
  t.true(others.length > 0);
  for (const under = new Set(reads); under.size > 0;) {
    t.throws(() => runtime.lease(4096), { message: /all memory/ });
    writeSync(writer, 'four');
    // Which of them gets the bytes is not said.
    const ends = [...under].map((read, index) => read.then(() => index));
    const index = await inTime(Promise.race(ends), 'a read');
    under.delete([...under][index] as Op<number>);
  }
  t.is(placeOf(runtime.lease(4096).view, known), place);
});

test.serial('giving a lease back twice lends its memory once', (t) => {
  const runtime = new Runtime();
  t.teardown(() => runtime.close());
  const lease = runtime.lease(4096);
  lease[Symbol.dispose]();
  lease[Symbol.dispose]();
  const known = new Map<ArrayBufferLike, number>();
  const places = leaseAll(runtime, 4096).map((each) => placeOf(each.view, known));
  t.is(new Set(places).size, places.length);
});

test.serial('a view that outlived its lease spoils no bookkeeping', async (t) => {
  const { path, writer } = await blockedFifo(t);
  await using runtime = new Runtime();
  const file = await runtime.ops.open(path, O_RDWR, 0);
  const known = new Map<ArrayBufferLike, number>();
  const first = runtime.lease(4096);
  const { view } = first;
  first[Symbol.dispose]();
  const late = runtime.ops.read(file, view, 0, 4096, null);
  await nextTurn();
  const leases = leaseAll(runtime, 4096);
  const again = leases.find((lease) => placeOf(lease.view, known) === placeOf(view, known));
  t.truthy(again, 'its memory is free to be lent');
  writeSync(writer, 'late');
  t.is(await inTime(late, 'the read'), 4);
  for (const lease of leases) lease[Symbol.dispose]();
  const places = leaseAll(runtime, 4096).map((lease) => placeOf(lease.view, known));
  t.is(new Set(places).size, places.length, 'nothing is lent twice');
  t.is(places.length, leases.length, 'and all of it is there again');
});

test.serial('when all leases are out, reads and writes go on', async (t) => {
  const path = join(await makeFolder(t), 'file');
  writeFileSync(path, 'content');
  await using runtime = new Runtime();
  const leases = leaseAll(runtime, 4096);
  const large = leaseAll(runtime, 65_536);
  t.true(leases.length > 1000 && large.length > 100);
  const file = await runtime.ops.open(path, O_RDONLY, 0);
  const into = Buffer.alloc(100);
  t.is(await inTime(runtime.ops.read(file, into, 0, 100, 0), 'the read'), 7);
  t.is(into.toString('latin1', 0, 7), 'content');
  const copy = `${path}2`;
  await inTime(runtime.fs.writeFile(copy, 'more'), 'the write');
  t.is(await runtime.fs.readFile(copy, 'utf8'), 'more');
});

test.serial('who writes past a view, into the memory behind it, meets leases only', async (t) => {
  const path = join(await makeFolder(t), 'file');
  writeFileSync(path, 'content');
  await using runtime = new Runtime();
  const reads = Array.from({ length: 50 }, () => runtime.fs.readFile(path, 'utf8'));
  using lease = runtime.lease(100);
  new Uint8Array(lease.view.buffer).fill(0xff);
  const texts = await inTime(Promise.all(reads), 'reads under way');
  t.true(texts.every((text) => text === 'content'));
  t.is(await inTime(runtime.fs.readFile(path, 'utf8'), 'a read after that'), 'content');
});

test.serial('misuse of a lease has a code', (t) => {
  const runtime = new Runtime();
  t.teardown(() => runtime.close());
  const lease = runtime.lease(1);
  lease[Symbol.dispose]();
  t.throws(() => lease.view, { code: 'ERR_INVALID_STATE' });
  const leases = leaseAll(runtime, 65_536);
  t.throws(() => runtime.lease(65_536), { code: 'ERR_WAKERING_BUSY' });
  for (const each of leases) each[Symbol.dispose]();
});
