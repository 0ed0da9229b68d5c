/** A cancel that races with the completion: whoever wins, there is one outcome and nothing is left. */

import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { Metrics, Op, OpenFile } from 'wakering';
import { descriptors, eventually, newDescriptors } from './support/counts.ts';
import {
  inTime,
  makeFifo,
  makeFolder,
  moment,
  numbersFrom,
  rounds,
  seedOf,
} from './support/fixtures.ts';

const RACES = rounds(20_000);
/** Races at a time: more than the runtime has slots, so that some are cancelled while they wait. */
const WIDTH = 40;
const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Everything that the races work on. */
interface Ground {
  readonly runtime: Runtime;
  readonly path: string;
  readonly file: OpenFile;
  readonly fifo: OpenFile;
  readonly writer: number;
  readonly next: (below: number) => number;
}

/** An operation that may be cancelled, and what to do with its value. */
interface Race {
  readonly op: Op<unknown>;
  won?(value: unknown): PromiseLike<unknown> | undefined;
}

const starters: readonly ((ground: Ground) => Race)[] = [
  ({ runtime, file, next }) => ({
    op: runtime.ops.read(file, Buffer.alloc(4096), 0, 4096, next(64) * 4096),
  }),
  // So large that a thread or the kernel's worker does it.
  ({ runtime, file }) => ({ op: runtime.ops.readOwned(file, 256 * 1024, 0) }),
  ({ runtime, fifo }) => ({ op: runtime.ops.read(fifo, Buffer.alloc(8), 0, 8, null) }),
  ({ runtime, next }) => ({ op: runtime.ops.sleep(next(3)) }),
  ({ runtime, path }) => ({
    op: runtime.ops.open(path, O_RDONLY, 0),
    won: (file) => runtime.ops.close(file as OpenFile),
  }),
  ({ runtime, path }) => ({ op: runtime.ops.statPath(path, true, false) }),
  ({ runtime }) => ({ op: runtime.ops.nop() }),
  ({ runtime, file, next }) => ({
    op: runtime.ops.write(file, Buffer.alloc(512, 7), 0, 512, (64 + next(64)) * 4096),
  }),
  ({ runtime, path }) => ({ op: runtime.ops.readdir(join(path, '..')) }),
];

/** Runs some races at once. How many cancels were asked for, and how many races were won by them. */
async function wave(t: ExecutionContext, ground: Ground): Promise<{ asked: number; won: number }> {
  const { next, writer } = ground;
  const races = Array.from({ length: WIDTH }, () => {
    const start = starters[next(starters.length)] as (ground: Ground) => Race;
    return start(ground);
  });
  const outcomes = races.map(() => 0);
  const ends = races.map(async ({ op, won }, index) => {
    try {
      const value = await op;
      outcomes[index]! += 1;
      t.is(op.state, 'fulfilled');
      await won?.(value);
      return false;
    } catch (error) {
      outcomes[index]! += 1;
      if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
      t.is(op.state, 'cancelled');
      return true;
    }
  });
  let asked = 0;
  for (const { op } of races) {
    if (next(24) === 0) await moment(next);
    if (next(2) === 0) writeSync(writer, Buffer.alloc(4));
    asked += Number(op.state === 'pending');
    op.cancel();
  }
  const cancelled = await inTime(Promise.all(ends), 'a wave of races');
  // As many outcomes as races, although something late may still have arrived meanwhile.
  if (outcomes.some((count) => count !== 1)) t.fail(`outcomes: ${outcomes.join(' ')}`);
  return { asked, won: cancelled.filter(Boolean).length };
}

test.serial('each of 20,000 cancels that race with a completion gives one outcome', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'file');
  const fifoPath = makeFifo(folder);
  writeFileSync(path, Buffer.alloc(512 * 1024, 1));
  const writer = openSync(fifoPath, O_RDWR | O_NONBLOCK);
  t.teardown(() => closeSync(writer));
  await using runtime = new Runtime({ queueDepth: WIDTH / 2 });
  const file = await runtime.ops.open(path, O_RDWR, 0);
  const fifo = await runtime.ops.open(fifoPath, O_RDWR, 0);
  const ground: Ground = { runtime, path, file, fifo, writer, next: numbersFrom(seedOf(t)) };
  // Whatever opens descriptors of its own once (a worker's ring, a pipe to splice) does it now.
  for (let waves = 0; waves < 20; waves += 1) await wave(t, ground);
  await idle(runtime);
  const before = runtime.metrics();
  const held = descriptors();
  const drain = Buffer.alloc(65_536);
  let [asked, won] = [0, 0];
  while (asked < RACES) {
    const { asked: more, won: wins } = await wave(t, ground);
    asked += more;
    won += wins;
    // What the reads left in the FIFO, so that it never fills up.
    writeSync(writer, 'x');
    await inTime(runtime.ops.read(fifo, drain, 0, drain.length, null), 'a read after the races');
  }
  await idle(runtime);
  t.deepEqual(await newDescriptors(held), []);
  const after = runtime.metrics();
  t.is(after.inFlight, 0);
  t.is(after.queued, 0);
  t.is(after.openFiles, before.openFiles);
  t.is(after.malformed, 0);
  const counted = difference(before, after);
  t.is(counted.asked, asked, 'every cancel of an operation under way was counted');
  t.is(counted.won + counted.lost + counted.withdrawn, asked, 'and each has one result');
  t.log(`${asked} cancels: ${won} callers saw AbortError; ${JSON.stringify(counted)}`);
  // A race that always ends the same way is none.
  t.true(counted.won > 0 && counted.lost > 0 && counted.withdrawn > 0);
});

function idle(runtime: Runtime): Promise<unknown> {
  const under = (): number => runtime.metrics().inFlight + runtime.metrics().queued;
  return eventually(under, (count) => count === 0);
}

function difference(before: Metrics, after: Metrics): Metrics['cancels'] {
  return {
    asked: after.cancels.asked - before.cancels.asked,
    won: after.cancels.won - before.cancels.won,
    lost: after.cancels.lost - before.cancels.lost,
    withdrawn: after.cancels.withdrawn - before.cancels.withdrawn,
  };
}
