/**
 * Many Workers at once, each with a runtime of its own and real reads: `node many-workers.js COUNT
 * FILE`. Prints one line of JSON: for each Worker its driver, and how many reads were right.
 */

import { once } from 'node:events';
import { constants, readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { Runtime } from 'wakering';

/** What each Worker tells. */
export interface WorkerReport {
  readonly driver: string;
  readonly right: number;
}

const READS = 200;

if (isMainThread) {
  const [count = '1', file = ''] = process.argv.slice(2);
  const workers = Array.from(
    { length: Number(count) },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: file }),
  );
  // Nobody reads before all are there.
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const reports = workers.map(async (worker) => {
    worker.postMessage('go');
    const [report] = (await once(worker, 'message')) as [WorkerReport];
    return report;
  });
  process.stdout.write(`${JSON.stringify(await Promise.all(reports))}\n`);
} else {
  const path = workerData as string;
  const content = readFileSync(path);
  const runtime = new Runtime();
  const file = await runtime.ops.open(path, constants.O_RDONLY, 0);
  parentPort?.postMessage('ready');
  await once(parentPort as NonNullable<typeof parentPort>, 'message');
  let right = 0;
  const readOne = async (index: number): Promise<void> => {
    const position = (index * 997) % (content.length - 4096);
    const into = Buffer.alloc(4096);
    await runtime.ops.read(file, into, 0, 4096, position);
    right += Number(into.equals(content.subarray(position, position + 4096)));
  };
  await Promise.all(Array.from({ length: READS }, (_, index) => readOne(index)));
  const report: WorkerReport = { driver: runtime.capabilities().driver, right };
  parentPort?.postMessage(report);
  await runtime.close();
  parentPort?.close();
}
