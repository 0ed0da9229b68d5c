/** What a runtime says of itself is what it did. */

import { constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import test from 'ava';
import { Runtime } from 'wakering';
import type { Metrics } from 'wakering';
import { eventually } from './support/counts.ts';
import { inTime, makeFifo, makeFolder, nextTurn, rounds } from './support/fixtures.ts';
import { skip } from './support/launch.ts';

const { O_RDWR } = constants;

function isUring(runtime: Runtime): boolean {
  return runtime.capabilities().driver === 'uring';
}

/** Every number of a report, nested ones too, by its path. */
function numbers(report: object, prefix = ''): [string, unknown][] {
  return Object.entries(report).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? numbers(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, value] as [string, unknown]],
  );
}

test('a new runtime has done nothing', async (t) => {
  await using runtime = new Runtime();
  const report = runtime.metrics();
  t.deepEqual(report.completed, {});
  const others = numbers({ ...report, thresholds: {} }).filter(([name]) => name !== 'enters');
  for (const [name, value] of others) t.is(value, 0, name);
});

test('completed operations are counted by name, and by who carried them out', async (t) => {
  await using runtime = new Runtime();
  const { fs, ops } = runtime;
  const folder = await makeFolder(t);
  await fs.writeFile(`${folder}/file`, 'content');
  await fs.readdir(folder);
  await fs.rename(`${folder}/file`, `${folder}/other`);
  await fs.unlink(`${folder}/other`);
  await Promise.all(Array.from({ length: 7 }, () => ops.nop()));
  const { completed, lanes } = runtime.metrics();
  t.deepEqual(completed, {
    Nop: 7,
    OpenAt: 1,
    Close: 1,
    Write: 1,
    Renameat: 1,
    Unlinkat: 1,
    Readdir: 1,
  });
  const sum = lanes.inline + lanes.loop + lanes.worker + lanes.pool;
  t.is(sum, 13);
  // A ring has no readdir; the other driver has a pool of its own.
  t.is(lanes.pool > 0, isUring(runtime));
});

test('bytes are counted, of reads and of writes', async (t) => {
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/file`;
  await using file = await runtime.fs.open(path, 'w+');
  await file.write(Buffer.alloc(5000), 0, 5000, 0);
  await file.write(Buffer.alloc(70_000), 0, 70_000, 0);
  await file.read(Buffer.alloc(1000), 0, 1000, 0);
  await file.read(Buffer.alloc(1000), 0, 1000, 69_900);
  t.deepEqual(runtime.metrics().bytes, { read: 1100, written: 75_000 });
});

test('a microtask batch is one flush, and on a ring few system calls', async (t) => {
  await using runtime = new Runtime();
  const before = runtime.metrics();
  await Promise.all(Array.from({ length: 128 }, () => runtime.ops.nop()));
  const after = runtime.metrics();
  t.is(after.flushes - before.flushes, 1);
  if (isUring(runtime)) t.true(after.enters - before.enters <= 2, `${after.enters} enters`);
});

test('open files and operations in flight go up and come back', async (t) => {
  await using runtime = new Runtime();
  const { fs, ops } = runtime;
  const files = await Promise.all(Array.from({ length: 5 }, () => fs.open('package.json')));
  t.is(runtime.metrics().openFiles, 5);
  await Promise.all(files.map((file) => file.close()));
  t.is(runtime.metrics().openFiles, 0);
  const sleeps = Array.from({ length: 9 }, () => ops.sleep(60_000));
  t.is(runtime.metrics().inFlight, 9);
  for (const op of sleeps) op.cancel();
  await Promise.allSettled(sleeps);
  const left = await eventually(
    () => runtime.metrics().inFlight,
    (count) => count === 0,
  );
  t.is(left, 0);
});

test('cancels are counted by what came of them', async (t) => {
  await using runtime = new Runtime({ queueDepth: 2 });
  const fifo = makeFifo(await makeFolder(t));
  const pipe = await runtime.ops.open(fifo, O_RDWR, 0);
  const read = runtime.ops.readOwned(pipe, 10, null);
  await nextTurn();
  read.cancel();
  await t.throwsAsync(async () => read, { code: 'ABORT_ERR' });
  const { cancels } = runtime.metrics();
  t.is(cancels.asked, 1);
  t.is(cancels.won + cancels.lost + cancels.withdrawn, 1);
  t.is(cancels.lost, 0);
  await runtime.ops.close(pipe);
});

test('a queue depth of 32 holds 10,000 operations back, and memory stays flat', async (t) => {
  const count = rounds(10_000);
  await using runtime = new Runtime({ queueDepth: 32 });
  await using file = await runtime.fs.open('package.json');
  const buffer = Buffer.alloc(4096);
  const wave = async (): Promise<void> => {
    const reads = Array.from({ length: count }, () => file.read(buffer, 0, 4096, 0));
    let inFlightMax = 0;
    const watcher = setInterval(look, 1);
    function look(): void {
      inFlightMax = Math.max(inFlightMax, runtime.metrics().inFlight);
    }
    look();
    t.is(runtime.metrics().inFlight + runtime.metrics().queued, count);
    await inTime(Promise.all(reads), 'the reads', 60_000);
    clearInterval(watcher);
    t.is(inFlightMax, 32);
  };
  await wave();
  (globalThis as { gc?: () => void }).gc?.();
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 5; round += 1) await wave();
  (globalThis as { gc?: () => void }).gc?.();
  const grown = process.memoryUsage.rss() - before;
  t.true(grown < 64 << 20, `${grown} bytes more`);
  const { completed, waitedForSlot, inFlight, queued } = runtime.metrics();
  t.is(completed['Read'], 6 * count);
  t.is(waitedForSlot, 6 * (count - 32));
  t.deepEqual([inFlight, queued], [0, 0]);
});

test('what libuv brings is counted as a wait', async (t) => {
  await using runtime = new Runtime();
  await runtime.ops.sleep(20);
  t.true(runtime.metrics().waits >= 1);
});

test('attempts on cold or absent caches are counted where they are made', async (t) => {
  await using runtime = new Runtime();
  const [major = 0, minor = 0] = runtime.capabilities().kernel.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 8)) {
    return skip(t, 'before Linux 6.8 the mounts of tmpfs have no lasting numbers to be known by');
  }
  await runtime.fs.stat('package.json');
  const first = runtime.metrics();
  for (let round = 0; round < 10; round += 1) await runtime.fs.stat('package.json');
  const after = runtime.metrics();
  t.is(after.lanes.inline - first.lanes.inline, 10, 'a cached stat waits for nobody');
  t.is(after.cachedMisses, first.cachedMisses);
});

test('on a ring, large copies are counted for the worker loop', async (t) => {
  await using runtime = new Runtime();
  if (!isUring(runtime)) return skip(t, 'the worker loop belongs to the uring driver');
  const path = `${await makeFolder(t)}/file`;
  await using file = await runtime.fs.open(path, 'w+');
  await file.write(Buffer.alloc(1 << 20), 0, 1 << 20, 0);
  await file.read(Buffer.alloc(1 << 20), 0, 1 << 20, 0);
  t.is(runtime.metrics().lanes.worker, 2);
});

test('the thresholds are there to be read, and a driver keeps to them', async (t) => {
  await using runtime = new Runtime();
  const { thresholds } = runtime.metrics();
  const { cachedReadBytesMax, workerBytesMin, smallChunkBytes, largeChunkBytes } = thresholds;
  t.true(smallChunkBytes < largeChunkBytes && cachedReadBytesMax < workerBytesMin);
  t.true(thresholds.spinNsMax > 0);
  if (!isUring(runtime)) return skip(t, 'the worker loop belongs to the uring driver');
  const path = `${await makeFolder(t)}/file`;
  await using file = await runtime.fs.open(path, 'w+');
  await file.truncate(workerBytesMin);
  const read = async (bytes: number): Promise<number> => {
    await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return runtime.metrics().lanes.worker;
  };
  t.deepEqual([await read(workerBytesMin - 1), await read(workerBytesMin)], [0, 1]);
});

test('reads that leave the thread are counted by where their data is', async (t) => {
  await using runtime = new Runtime();
  if (!isUring(runtime)) return skip(t, 'only a ring registers memory');
  const path = `${await makeFolder(t)}/file`;
  await using file = await runtime.fs.open(path, 'w+');
  const { largeChunkBytes } = runtime.metrics().thresholds;
  await file.write(Buffer.alloc(100), 0, 100, 0);
  const wrote = runtime.metrics().transfers;
  t.is(wrote.registered + wrote.bounced, 1, 'which of them, the limit of locked memory decides');
  await file.write(Buffer.alloc(largeChunkBytes + 1), 0, largeChunkBytes + 1, 0);
  const after = runtime.metrics().transfers;
  t.deepEqual(after, { ...wrote, owned: 1 }, "what is larger than a chunk is the addon's");
  await using other = new Runtime({ registerBuffers: false });
  await using same = await other.fs.open(path, 'r+');
  await same.write(Buffer.alloc(100), 0, 100, 0);
  t.deepEqual(other.metrics().transfers, { registered: 0, bounced: 1, owned: 0 });
});

test('a file that is read often gets a place in the ring', async (t) => {
  await using runtime = new Runtime();
  if (!isUring(runtime)) return skip(t, 'there is no ring');
  await using file = await runtime.fs.open('package.json');
  const { fixedFileTransfers } = runtime.metrics().thresholds;
  const buffer = Buffer.alloc(10);
  const read = (): Promise<unknown> => file.read(buffer, 0, 10, 0);
  await Promise.all(Array.from({ length: fixedFileTransfers - 1 }, read));
  t.is(runtime.metrics().fixedFiles, 0);
  await Promise.all([read(), read()]);
  t.is(runtime.metrics().fixedFiles, 1);
});

test('over SQPOLL the looks for completions are counted, and without it there are none', async (t) => {
  await using plain = new Runtime();
  await plain.ops.nop();
  t.deepEqual(plain.metrics().sqpoll, { spinsHit: 0, spinsMissed: 0, wakeups: 0 });
  if (!isUring(plain)) return skip(t, 'there is no ring');
  if (availableParallelism() < 2) return skip(t, 'with one CPU nobody looks');
  await using runtime = new Runtime({ sqpoll: { idle: 100, share: false } });
  // Whether they hit depends on how busy the machine is.
  let looks = 0;
  for (let round = 0; round < rounds(1000) && looks === 0; round += 1) {
    await runtime.ops.nop();
    const { spinsHit, spinsMissed } = runtime.metrics().sqpoll;
    looks = spinsHit + spinsMissed;
  }
  t.true(looks > 0);
});

test("looks for the pool's answers are counted", async (t) => {
  await using runtime = new Runtime();
  t.deepEqual(runtime.metrics().pool, { looksHit: 0, looksMissed: 0 });
  if (availableParallelism() < 2) return skip(t, 'with one CPU nobody looks');
  // A change of a name is the pool's, and from the second one on its thread is awake.
  let looks = 0;
  for (let round = 0; round < rounds(1000) && looks === 0; round += 1) {
    await t.throwsAsync(runtime.fs.unlink('absent'), { code: 'ENOENT' });
    const { looksHit, looksMissed } = runtime.metrics().pool;
    looks = looksHit + looksMissed;
  }
  t.true(looks > 0);
});

test('of many stats this thread keeps as many as the thresholds say', async (t) => {
  await using runtime = new Runtime();
  if (availableParallelism() < 2) return skip(t, 'with one CPU there is nobody to share with');
  const { sharedMin, sharedMinAsleep, sharedOf } = runtime.metrics().thresholds;
  t.true(sharedMin < sharedMinAsleep);
  const stats = (count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => runtime.fs.stat('package.json')));
  await runtime.fs.stat('package.json');
  const before = runtime.metrics().lanes.pool;
  await stats(sharedMin - 1);
  t.is(runtime.metrics().lanes.pool, before, 'few stay here');
  await stats(sharedMinAsleep * sharedOf);
  const here = sharedMinAsleep;
  t.is(runtime.metrics().lanes.pool - before, sharedMinAsleep * sharedOf - here);
});

test('attempts are counted by the name of what was attempted', async (t) => {
  await using runtime = new Runtime();
  await runtime.fs.stat('package.json');
  await runtime.fs.stat('package.json');
  const { cached, cachedMisses } = runtime.metrics();
  const [hits, misses] = [cached.hits['Statx'] ?? 0, cached.misses['Statx'] ?? 0];
  t.is(hits + misses, 2);
  t.is(misses, cachedMisses);
});

test('small files that come whole are counted', async (t) => {
  await using runtime = new Runtime();
  for (let round = 0; round < 3; round += 1) await runtime.fs.readFile('package.json');
  const { contents, completed } = runtime.metrics();
  t.is(contents, 3);
  t.is(completed['OpenAt'], 3);
});

test('capabilities say which driver, why, and of each feature yes or why not', async (t) => {
  await using runtime = new Runtime();
  const { driver, reason, kernel, features } = runtime.capabilities();
  t.true(driver === 'uring' || driver === 'poll');
  t.true(reason.length > 10);
  t.regex(kernel, /^\d+\.\d+/);
  if (driver === 'uring') t.true(Object.keys(features).length > 20);
  for (const [name, feature] of Object.entries(features)) {
    t.is(feature.available, feature.reason === undefined, name);
  }
  t.deepEqual(runtime.capabilities(), { driver, reason, kernel, features });
});

test('every number is a whole one, and none is negative', async (t) => {
  await using runtime = new Runtime();
  await runtime.fs.readFile('package.json');
  await runtime.ops.sleep(1);
  const report: Metrics = runtime.metrics();
  for (const [name, value] of numbers(report)) {
    t.true(Number.isSafeInteger(value) && (value as number) >= 0, `${name}: ${String(value)}`);
  }
  t.is(report.malformed, 0);
  t.is(report.orphansClosed, 0);
});
