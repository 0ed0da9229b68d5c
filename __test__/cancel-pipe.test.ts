/**
 * Cancelling tells the truth where it matters most: a read of a pipe takes bytes away from it, so
 * whoever cancels one must get either its bytes or all of them again from the next read.
 */

import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { Op, OpenFile } from 'wakering';
import {
  inTime,
  makeFifo,
  makeFolder,
  moment,
  nextTurn,
  numbersFrom,
  rounds,
  seedOf,
} from './support/fixtures.ts';

const ROUNDS = rounds(5000);
const { O_NONBLOCK, O_RDWR } = constants;

/** What was written into the FIFO and what came out; both are one sequence of counted bytes. */
class Ledger {
  readonly writer: number;
  readonly received: number[] = [];
  written = 0;
  won = 0;
  lost = 0;

  constructor(path: string) {
    this.writer = openSync(path, O_RDWR | O_NONBLOCK);
  }

  write(count: number): void {
    const bytes = Uint8Array.from({ length: count }, (_, index) => this.written + index);
    this.written += writeSync(this.writer, bytes);
  }

  receive(bytes: Uint8Array): void {
    this.received.push(...bytes);
  }

  /** Takes what nobody has read yet. */
  drain(): void {
    const rest = Buffer.alloc(65_536);
    while (this.received.length < this.written) {
      this.receive(rest.subarray(0, readSync(this.writer, rest)));
    }
  }

  check(t: ExecutionContext): void {
    this.drain();
    closeSync(this.writer);
    t.is(this.received.length, this.written);
    const misplaced = this.received.findIndex((byte, index) => byte !== (index & 0xff));
    t.is(misplaced, -1, 'every byte in its place');
    t.log(`${this.won} reads had bytes, ${this.lost} were cancelled`);
    // A test in which one side always comes first shows nothing.
    t.true(this.won > 0 && this.lost > 0);
  }
}

/** Reads what earlier rounds left, so that the next read has to wait. */
async function catchUp(ledger: Ledger, read: (into: Buffer) => PromiseLike<number>): Promise<void> {
  while (ledger.received.length < ledger.written) {
    const into = Buffer.alloc(8);
    const count = await inTime(read(into), 'the read after a cancelled one');
    ledger.receive(into.subarray(0, count));
  }
}

async function outcome(ledger: Ledger, read: PromiseLike<number>, into: Buffer, code: string) {
  try {
    ledger.receive(into.subarray(0, await inTime(read, 'a read that was cancelled')));
    ledger.won += 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error;
    ledger.lost += 1;
  }
}

/** Writes and cancels in either order, with a moment between them or none. */
async function contest(
  next: (below: number) => number,
  ledger: Ledger,
  cancel: () => void,
): Promise<void> {
  if (next(4) > 0) await moment(next);
  const steps = [(): void => ledger.write(1 + next(6)), cancel];
  if (next(2) === 0) steps.reverse();
  steps[0]?.();
  if (next(2) === 0) await moment(next);
  steps[1]?.();
}

test.serial('op.cancel() of a blocked pipe read loses no byte', async (t) => {
  const next = numbersFrom(seedOf(t));
  const path = makeFifo(await makeFolder(t));
  const ledger = new Ledger(path);
  await using runtime = new Runtime();
  const file = await runtime.ops.open(path, O_RDWR, 0);
  for (let round = 0; round < ROUNDS; round += 1) {
    await catchUp(ledger, (into) => runtime.ops.read(file, into, 0, 8, null));
    const into = Buffer.alloc(8);
    const op: Op<number> = runtime.ops.read(file, into, 0, 1 + next(8), null);
    await contest(next, ledger, () => op.cancel());
    await outcome(ledger, op, into, 'ABORT_ERR');
  }
  ledger.check(t);
});

test.serial('an AbortSignal on a blocked pipe read loses no byte', async (t) => {
  const next = numbersFrom(seedOf(t));
  const path = makeFifo(await makeFolder(t));
  const ledger = new Ledger(path);
  await using runtime = new Runtime();
  await using file = await runtime.fs.open(path, O_RDWR);
  for (let round = 0; round < ROUNDS; round += 1) {
    await catchUp(ledger, async (into) => (await file.read(into)).bytesRead);
    const into = Buffer.alloc(8);
    const controller = new AbortController();
    const read = file.read(into, { length: 1 + next(8), signal: controller.signal });
    const count = read.then(({ bytesRead }) => bytesRead);
    count.catch(() => {});
    await contest(next, ledger, () => controller.abort());
    await outcome(ledger, count, into, 'ABORT_ERR');
  }
  ledger.check(t);
});

test.serial('close() under a blocked pipe read loses no byte', async (t) => {
  const next = numbersFrom(seedOf(t));
  const path = makeFifo(await makeFolder(t));
  const ledger = new Ledger(path);
  await using runtime = new Runtime();
  const descriptorsOf = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const file: OpenFile = await runtime.ops.open(path, O_RDWR, 0);
    descriptorsOf.add(file.fd);
    await catchUp(ledger, (into) => runtime.ops.read(file, into, 0, 8, null));
    const into = Buffer.alloc(8);
    const op = runtime.ops.read(file, into, 0, 1 + next(8), null);
    op.catch(() => {});
    let closed: PromiseLike<number> | undefined;
    await contest(next, ledger, () => {
      closed = runtime.ops.close(file);
    });
    await outcome(ledger, op, into, 'ECANCELED');
    await inTime(closed ?? Promise.reject(new Error('not closed')), 'the close');
  }
  t.is(runtime.metrics().openFiles, 0);
  t.true(descriptorsOf.size < 8, 'each close gave its descriptor back');
  ledger.check(t);
});

test.serial('a cancelled pipe read says so at once, and the next one gets the bytes', async (t) => {
  const path = makeFifo(await makeFolder(t));
  const writer = openSync(path, O_RDWR | O_NONBLOCK);
  t.teardown(() => closeSync(writer));
  await using runtime = new Runtime();
  const file = await runtime.ops.open(path, O_RDWR, 0);
  const into = Buffer.alloc(8);
  const op = runtime.ops.read(file, into, 0, 8, null);
  await nextTurn();
  op.cancel();
  const error = await t.throwsAsync(inTime(op, 'the cancelled read'));
  t.is((error as NodeJS.ErrnoException).code, 'ABORT_ERR');
  t.is(op.state, 'cancelled');
  writeSync(writer, 'bytes');
  t.is(await inTime(runtime.ops.read(file, into, 0, 8, null), 'the next read'), 5);
  t.is(into.toString('utf8', 0, 5), 'bytes');
});

test.serial('a position on a pipe is an error of the system, and takes no bytes', async (t) => {
  const path = makeFifo(await makeFolder(t));
  const writer = openSync(path, O_RDWR | O_NONBLOCK);
  t.teardown(() => closeSync(writer));
  writeSync(writer, 'kept');
  await using runtime = new Runtime();
  await using file = await runtime.fs.open(path, O_RDWR);
  const into = Buffer.alloc(8);
  await t.throwsAsync(inTime(file.read(into, 0, 8, 0), 'a read at a position'), {
    code: 'ESPIPE',
  });
  const { bytesRead } = await inTime(file.read(into, 0, 8, null), 'a read');
  t.is(into.toString('utf8', 0, bytesRead), 'kept');
});
