/** A row of its own: the same read by size, with a copy, without one, and with memory handed over. */

import { constants } from 'node:fs';
import { Runtime } from 'wakering';
import { numbersFrom } from '../support/fixtures.ts';
import { sweep } from './here.ts';
import type { Driver } from './kits-wakering.ts';
import { compare } from './measure.ts';
import type { Contender, Effort } from './measure.ts';
import { BLOCK_BYTES, checkStamp, readPath } from './place.ts';
import type { Place } from './place.ts';
import type { ExtraResult, Figure } from './results.ts';
import { EXTRAS } from './rows.ts';
import { CHECK_EVERY, crew, SEED } from './works/work.ts';

const KIB = 1024;
const SIZES_KIB = [4, 16, 64, 256, 1024] as const;
const DEPTH = 8;
/** There are many of them: a fifth of a row's time for each. */
const SHARE = 5;

/** Reads `bytes` at a position; the buffer that they are in. */
type Read = (bytes: number, position: number, worker: number) => PromiseLike<Buffer>;

/** Measures it. */
export async function ownership(
  driver: Driver,
  place: Place,
  effort: Effort,
): Promise<ExtraResult> {
  const figures: Figure[] = [];
  for (const kib of SIZES_KIB) {
    const contenders = await contendersFor(driver, place, kib * KIB);
    const found = await compare(contenders, { ...effort, ms: effort.ms / SHARE });
    for (const { contender, perSecond, spread } of found) {
      const subject = `${kib} KiB, ${contender}`;
      figures.push({ subject, value: 1e6 / perSecond, unit: 'us', spread });
    }
    for (const { close } of contenders) await close();
  }
  const method =
    `microseconds for each cached read, ${DEPTH} at a time: FileHandle.read into a Buffer of the ` +
    'program, into a Buffer made for it, into a lease (of 64 KiB at the most), and ops.readOwned, which ' +
    "makes a Buffer of the addon's memory";
  return { row: 'ownership', title: EXTRAS.ownership, method, figures, absent: [] };
}

async function contendersFor(driver: Driver, place: Place, bytes: number): Promise<Contender[]> {
  const runtime = new Runtime({ driver });
  const file = await runtime.fs.open(readPath(place));
  const own = await runtime.ops.open(readPath(place), constants.O_RDONLY, 0);
  const buffers = Array.from({ length: DEPTH }, () => Buffer.alloc(bytes));
  const into =
    (memory: readonly Buffer[]): Read =>
    async (length, position, worker) => {
      const view = memory[worker] as Buffer;
      await file.read(view, 0, length, position);
      return view;
    };
  const fresh: Read = async (length, position) => {
    const view = Buffer.allocUnsafeSlow(length);
    await file.read(view, 0, length, position);
    return view;
  };
  const ways: [string, Read][] = [
    ['copied', into(buffers)],
    ['copied into a fresh Buffer', fresh],
    ['handed over', (length, position) => runtime.ops.readOwned(own, length, position)],
  ];
  const { largeChunkBytes } = runtime.metrics().thresholds;
  if (bytes <= largeChunkBytes) {
    const leases = Array.from({ length: DEPTH }, () => runtime.lease(bytes).view);
    ways.push(['leased', into(leases)]);
  }
  let open = ways.length;
  const close = async (): Promise<void> => {
    open -= 1;
    if (open === 0) await runtime.close();
  };
  return ways.map(([name, read]) => contender(name, place, bytes, read, close));
}

function contender(
  name: string,
  place: Place,
  bytes: number,
  read: Read,
  close: () => Promise<void>,
): Contender {
  const places = Math.floor(place.fileBytes / bytes);
  const measure: Contender['measure'] = async (operations) => {
    sweep();
    const next = numbersFrom(SEED);
    let started = 0;
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await crew(DEPTH, async (worker) => {
      while (started < operations) {
        const number = started;
        started += 1;
        const position = next(places) * bytes;
        const view = await read(bytes, position, worker);
        if (number % CHECK_EVERY === 0) checkStamp(view, 0, position / BLOCK_BYTES);
      }
    });
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { operations, seconds, cpuMicros: user + system };
  };
  return { name, measure, close };
}
