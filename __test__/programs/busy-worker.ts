/**
 * A Worker that is in the middle of operations of every kind when it ends. `workerData.end` says how:
 * it is terminated from outside, calls process.exit, or has nothing left that keeps it.
 */

import { constants } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Runtime } from 'wakering';

/** What a busy Worker is given. */
export interface BusyData {
  readonly file: string;
  readonly fifo: string;
  readonly lonely: string;
  readonly folder: string;
  readonly end: 'terminate' | 'exit' | 'naturally';
}

const { file, fifo, lonely, folder, end } = workerData as BusyData;
const runtime = new Runtime({ queueDepth: 64 });
const { ops } = runtime;
const ignore = (): void => {};

const data = await ops.open(file, constants.O_RDWR, 0);
const pipe = await ops.open(fifo, constants.O_RDWR, 0);
// What would keep a Worker for ever does not, where it is to end by itself.
if (end === 'naturally') runtime.unref();
ops.read(pipe, Buffer.alloc(64), 0, 64, null).catch(ignore);
ops.read(pipe, Buffer.alloc(100_000), 0, 100_000, null).catch(ignore);
ops.sleep(60_000).catch(ignore);
// Blocks in open: its FIFO has no other end.
ops.open(lonely, constants.O_RDONLY, 0).catch(ignore);
runtime.ref();
for (let index = 0; index < 8; index += 1) {
  ops.readOwned(data, 1 << 20, 0).catch(ignore);
  ops.read(data, Buffer.alloc(4096), 0, 4096, index * 4096).catch(ignore);
  ops.write(data, Buffer.alloc(4096), 0, 4096, index * 4096).catch(ignore);
  ops.readdir(folder).catch(ignore);
  ops.fsync(data).catch(ignore);
}
// More than there are slots: some wait in line.
for (let index = 0; index < 100; index += 1) ops.statPath(file, true, false).catch(ignore);
parentPort?.postMessage('busy');
if (end === 'exit') setTimeout(() => process.exit(7), Math.random() * 5);
