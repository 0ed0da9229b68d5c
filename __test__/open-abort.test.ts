/** An open that is given up leaks no descriptor, whichever of the two came first. */

import { constants, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { FileHandle } from 'wakering/fs';
import { descriptors, eventually, newDescriptors } from './support/counts.ts';
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

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
/** Opens at a time. */
const WIDTH = 20;

interface Tally {
  opened: number;
  aborted: number;
}

/** Opens and gives up, `count` times, by signal and by `cancel()`; what was opened is closed. */
async function openAndGiveUp(
  runtime: Runtime,
  path: string,
  flags: number,
  count: number,
  next: (below: number) => number,
): Promise<Tally> {
  const tally = { opened: 0, aborted: 0 };
  const settle = async (open: PromiseLike<unknown>, close: (value: never) => unknown) => {
    try {
      await close((await open) as never);
      tally.opened += 1;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
      tally.aborted += 1;
    }
  };
  for (let round = 0; round < count; round += WIDTH) {
    const controller = new AbortController();
    const { signal } = controller;
    const ops = Array.from({ length: WIDTH / 2 }, () => runtime.ops.open(path, flags, 0));
    const handles = Array.from({ length: WIDTH / 2 }, () =>
      runtime.fs.open(path, flags, 0o666, { signal }),
    );
    const ends = [
      ...ops.map((op) => settle(op, (file) => runtime.ops.close(file))),
      ...handles.map((open) => settle(open, (file: FileHandle) => file.close())),
    ];
    // The first round gives up at once, so that something is given up whatever the machine.
    if (round > 0 && next(2) === 0) await moment(next);
    for (const op of ops) op.cancel();
    if (round > 0 && next(2) === 0) await moment(next);
    controller.abort();
    await inTime(Promise.all(ends), `giving up the opens of ${path}`);
  }
  return tally;
}

/** Does it, and compares what the process and the runtime hold before and after. */
async function leaksNothing(
  t: ExecutionContext,
  path: string,
  flags: number,
  count: number,
): Promise<Tally> {
  const next = numbersFrom(seedOf(t));
  await using runtime = new Runtime();
  // Threads and pipes of the runtime come with the first rounds.
  await openAndGiveUp(runtime, path, flags, 20 * WIDTH, next);
  await eventually(
    () => runtime.metrics().inFlight,
    (inFlight) => inFlight === 0,
  );
  const held = descriptors();
  const tally = await openAndGiveUp(runtime, path, flags, count, next);
  await eventually(
    () => runtime.metrics().inFlight,
    (inFlight) => inFlight === 0,
  );
  t.deepEqual(await newDescriptors(held), []);
  const { inFlight, openFiles, orphansClosed } = runtime.metrics();
  t.deepEqual({ inFlight, openFiles }, { inFlight: 0, openFiles: 0 });
  t.is(tally.opened + tally.aborted, Math.ceil(count / WIDTH) * WIDTH);
  t.true(tally.aborted > 0, 'some opens were given up');
  t.log(`${tally.opened} opened, ${tally.aborted} aborted, ${orphansClosed} closed after that`);
  return tally;
}

test.serial('10,000 opens of a regular file that are given up leak no descriptor', async (t) => {
  const path = join(await makeFolder(t), 'file');
  writeFileSync(path, 'content');
  const { opened } = await leaksNothing(t, path, O_RDONLY, rounds(10_000));
  t.true(opened > 0, 'and some were faster');
});

test.serial('opens that block on a FIFO end when they are given up, and leak none', async (t) => {
  const path = makeFifo(await makeFolder(t));
  const { opened } = await leaksNothing(t, path, O_RDONLY, rounds(1000));
  t.is(opened, 0, 'nobody opened the other end');
  const error = t.throws(() => openSync(path, O_WRONLY | O_NONBLOCK));
  t.is((error as NodeJS.ErrnoException).code, 'ENXIO', 'no reader is left');
});

test.serial('opens of a device that are given up leak no descriptor', async (t) => {
  // Each open of it makes a terminal.
  const path = existsSync('/dev/ptmx') ? '/dev/ptmx' : '/dev/null';
  t.log(path);
  await leaksNothing(t, path, O_RDWR, rounds(2000));
});

test.serial('an open that was given up says AbortError, with the reason as cause', async (t) => {
  const path = makeFifo(await makeFolder(t));
  await using runtime = new Runtime();
  const controller = new AbortController();
  const open = runtime.fs.open(path, O_RDONLY, 0o666, { signal: controller.signal });
  await nextTurn();
  const reason = new Error('changed my mind');
  controller.abort(reason);
  const error = await t.throwsAsync(inTime(open, 'the aborted open'));
  t.is(error?.name, 'AbortError');
  t.is((error as NodeJS.ErrnoException).code, 'ABORT_ERR');
  t.is(error?.cause, reason);
});
