/** Workers that end in mid-operation take nothing with them, and leave nothing behind. */

import { once } from 'node:events';
import { chmodSync, closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Runtime } from 'wakering';
import type { BusyData } from './programs/busy-worker.ts';
import type { WorkerReport } from './programs/many-workers.ts';
import { descriptors, eventually, newDescriptors, threadNames } from './support/counts.ts';
import {
  inTime,
  makeFifo,
  makeFolder,
  numbersFrom,
  patience,
  pause,
  programPath,
  rounds,
  seedOf,
} from './support/fixtures.ts';
import { confine, launchObstacle, run, skip } from './support/launch.ts';

const WORKERS = rounds(200);
/** Workers at a time. */
const BATCH = 16;
const NOBODY = 65_534;
const ENDS = ['terminate', 'exit', 'naturally'] as const;

/** How one Worker ended; it has to, in good time. */
async function endOf(
  data: BusyData,
  next: (below: number) => number,
): Promise<{ end: BusyData['end']; code: number; error: unknown; busy: boolean }> {
  const worker = new Worker(programPath('busy-worker'), { workerData: data });
  let error: unknown;
  let busy = false;
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve));
  worker.once('error', (thrown) => (error = thrown));
  if (data.end === 'terminate') {
    // At any moment: while it starts, or in the middle of its work.
    const begun = once(worker, 'message');
    begun.catch(() => {});
    if (next(4) === 0) await pause(next(60));
    else await begun;
    await pause(next(5));
    busy = true;
    void worker.terminate();
  } else {
    worker.once('message', () => (busy = true));
  }
  const code = await inTime(exited, `a Worker that ends by ${data.end}`, 20_000);
  return { end: data.end, code, error, busy };
}

test.serial(`${WORKERS} Workers that end in mid-operation leave nothing behind`, async (t) => {
  t.timeout(patience(180_000));
  const next = numbersFrom(seedOf(t));
  const folder = await makeFolder(t);
  const file = join(folder, 'file');
  const content = Buffer.alloc(1 << 20, 3);
  writeFileSync(file, content);
  const fifo = makeFifo(folder);
  const lonely = makeFifo(folder, 'lonely');
  const keeper = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => closeSync(keeper));
  await using runtime = new Runtime();
  const own = join(folder, 'own');
  writeFileSync(own, content);

  const batch = async (count: number, first: number): Promise<void> => {
    const ends = Array.from({ length: count }, (_, index) => {
      const end = ENDS[(first + index) % ENDS.length] as BusyData['end'];
      return endOf({ file, fifo, lonely, folder, end }, next);
    });
    const all = Promise.all(ends);
    const progress = { ended: false };
    void all.finally(() => (progress.ended = true)).catch(() => {});
    // Meanwhile this thread's own runtime has nothing to notice.
    let reads = 0;
    while (!progress.ended) {
      t.true(content.equals(await inTime(runtime.fs.readFile(own), 'a read of the main thread')));
      reads += 1;
      await pause(2);
    }
    t.true(reads > 0);
    for (const { end, code, error, busy } of await all) {
      t.is(error, undefined);
      t.true(busy, 'it was at work');
      // One that is terminated before it runs says 0.
      const codes = { terminate: [0, 1], exit: [7], naturally: [0] }[end];
      t.true(codes.includes(code), `${end}: ${code}`);
    }
  };

  // The first batch makes what stays: threads of V8, descriptors of libuv.
  await batch(3, 0);
  const held = descriptors();
  const settled = (names: string[]): boolean => names.filter(isOurs).length <= 1;
  const threads = (await eventually(threadNames, settled)).filter((name) => !isOurs(name));
  for (let made = 0; made < WORKERS; made += BATCH) {
    await batch(Math.min(BATCH, WORKERS - made), made);
  }
  t.deepEqual(await newDescriptors(held), []);
  t.is(runtime.metrics().inFlight, 0);
  // Its own threads come and go as it needs them.
  await runtime.close();
  const left = await eventually(threadNames, (names) => names.length <= threads.length);
  t.true(left.length <= threads.length, `${left.join(' ')} instead of ${threads.join(' ')}`);
});

/** Of a runtime; the kernel's workers of a ring stay for a moment after it. */
function isOurs(name: string): boolean {
  return name.startsWith('iou-wrk') || name.startsWith('wakering-');
}

test.serial('32 Workers at once read as a plain user with 8 MiB of locked memory', async (t) => {
  const obstacle = launchObstacle(NOBODY);
  if (obstacle !== undefined) return skip(t, obstacle);
  const folder = await makeFolder(t);
  const file = join(folder, 'file');
  writeFileSync(file, Buffer.alloc(100_000).fill('0123456789abcdef!'));
  chmodSync(folder, 0o755);
  const program = [process.execPath, programPath('many-workers'), '32', file];
  const limits = { user: NOBODY, memlockBytes: 8 << 20 };
  // Rings count against that limit: with `uring` some would say ENOMEM, and rightly so.
  const driver = process.env['WAKERING_DRIVER'];
  const env = { WAKERING_DRIVER: driver === 'uring' ? 'auto' : driver };
  const { status, signal, stdout, stderr } = await run(confine(limits, program), { env });
  t.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  const reports = JSON.parse(stdout) as WorkerReport[];
  t.is(reports.length, 32);
  for (const { right } of reports) t.is(right, 200);
  const drivers = reports.map(({ driver }) => driver);
  const uring = drivers.filter((driver) => driver === 'uring').length;
  t.log(`${uring} on io_uring, ${32 - uring} on the poll driver`);
});
