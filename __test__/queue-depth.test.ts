/** Full means waiting in line, never more slots: 100,000 operations through 64 of them. */

import { constants, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Runtime } from 'wakering';
import { inTime, isSlow, makeFolder, patience, rounds } from './support/fixtures.ts';

const OPERATIONS = rounds(100_000);
const DEPTH = 64;
const GROWTH_MAX = 200 << 20;

declare const gc: () => void;

test.serial(`${OPERATIONS} operations go through a queue depth of ${DEPTH}`, async (t) => {
  t.timeout(patience(120_000));
  const folder = await makeFolder(t);
  const path = join(folder, 'file');
  const content = Buffer.alloc(256 * 64);
  for (let index = 0; index < content.length; index += 1) content[index] = index >> 6;
  writeFileSync(path, content);
  await using runtime = new Runtime({ queueDepth: DEPTH });
  const file = await runtime.ops.open(path, constants.O_RDONLY, 0);
  gc();
  const before = process.memoryUsage().rss;
  const counts = { inFlight: 0, queued: 0, rss: 0, done: 0, wrong: 0 };

  /** Each tells whether its value was right. */
  const start = (index: number): Promise<boolean> => {
    if (index % 3 === 0) {
      return runtime.ops.statPath(path, true, false).then(({ size }) => Number(size) === 256 * 64);
    }
    if (index % 3 === 1) return runtime.ops.nop().then((value) => value === undefined);
    const into = Buffer.alloc(64);
    const read = runtime.ops.read(file, into, 0, 64, (index % 256) * 64);
    return read.then((bytes) => bytes === 64 && into[0] === (index & 0xff) && into[63] === into[0]);
  };
  const settled = (right: boolean): void => {
    counts.done += 1;
    counts.wrong += Number(!right);
    if (counts.done % 500 !== 0) return;
    const { inFlight, queued } = runtime.metrics();
    counts.inFlight = Math.max(counts.inFlight, inFlight);
    counts.queued = Math.max(counts.queued, queued);
    counts.rss = Math.max(counts.rss, process.memoryUsage().rss);
  };
  const all = Array.from({ length: OPERATIONS }, (_, index) => start(index).then(settled));
  const { inFlight, queued } = runtime.metrics();
  t.is(inFlight, DEPTH);
  t.is(queued, OPERATIONS - DEPTH);
  await inTime(Promise.all(all), 'all of them', 100_000);

  t.is(counts.done, OPERATIONS);
  t.is(counts.wrong, 0);
  t.true(counts.inFlight <= DEPTH, `${counts.inFlight} in flight`);
  t.true(counts.queued > 0);
  const after = runtime.metrics();
  t.deepEqual([after.inFlight, after.queued], [0, 0]);
  t.true(after.waitedForSlot >= OPERATIONS - DEPTH);
  t.is(after.malformed, 0);
  if (!isSlow) t.true(counts.rss - before < GROWTH_MAX, `${(counts.rss - before) >> 20} MiB more`);
  t.log(`${(counts.rss - before) >> 20} MiB more at most; ${JSON.stringify(counts)}`);
});

test.serial('cancelling what waits in line takes no slot and no time', async (t) => {
  await using runtime = new Runtime({ queueDepth: 1 });
  const first = runtime.ops.sleep(50);
  const waiting = Array.from({ length: 1000 }, () => runtime.ops.sleep(60_000));
  for (const op of waiting) op.cancel();
  const states = waiting.map(({ state }) => state);
  t.deepEqual(new Set(states), new Set(['cancelled']));
  for (const op of waiting) await t.throwsAsync(Promise.resolve(op), { code: 'ABORT_ERR' });
  t.is(runtime.metrics().queued, 0);
  await inTime(first, 'the first');
  t.is(runtime.metrics().cancels.withdrawn, 1000);
});
