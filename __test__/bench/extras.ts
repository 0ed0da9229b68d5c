/** Rows that are no comparison of speeds: the event loop's delay, and memory. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { pause } from '../support/fixtures.ts';
import { collect, sweep } from './here.ts';
import { nodeKit } from './kits-node.ts';
import { wakeringKits } from './kits-wakering.ts';
import type { Driver, WakeringKit } from './kits-wakering.ts';
import { median, spreadOf } from './measure.ts';
import type { Effort } from './measure.ts';
import { ownership } from './ownership.ts';
import type { Place } from './place.ts';
import type { ExtraResult, Figure } from './results.ts';
import { EXTRAS } from './rows.ts';
import type { ExtraName } from './rows.ts';
import { workFor } from './works/index.ts';
import type { WorkName } from './works/index.ts';
import type { Kit, Work } from './works/work.ts';

/** What they are measured with. */
export interface ExtraContext {
  readonly driver: Driver;
  readonly place: Place;
  readonly effort: Effort;
  readonly quick: boolean;
}

const DEPTH = 32;
const DELAY_DEPTH = 128;
const DELAY_ROUNDS = 3;
/** Readers stop to look at the clock after so many reads. */
const DELAY_SLICE = 20_000;
const KIB = 1024;

/** Measures one of them. */
export function measureExtra(name: ExtraName, context: ExtraContext): Promise<ExtraResult> {
  return { delay, heap, growth, ownership: owning }[name](context);
}

function owning({ driver, place, effort }: ExtraContext): Promise<ExtraResult> {
  return ownership(driver, place, effort);
}

async function delay({ driver, place, effort }: ExtraContext): Promise<ExtraResult> {
  const ms = effort.ms * 4;
  const kits = [nodeKit('node'), wakeringKits['wakering-op'](driver)];
  const idle: number[] = [];
  const found = new Map<string, number[]>();
  for (const kit of kits) {
    const work = await ready('read', kit, place, DELAY_DEPTH);
    // Warm: what is compiled meanwhile is another matter.
    await work.run(DELAY_SLICE);
    const own: number[] = [];
    for (let round = 0; round < DELAY_ROUNDS; round += 1) {
      idle.push(await delayWhile(ms, async () => {}));
      own.push(await delayWhile(ms, () => work.run(DELAY_SLICE)));
    }
    found.set(kit.name === 'node' ? 'node' : 'wakering', own);
    await work.close();
    await kit.close();
  }
  const base = median(idle);
  const figures = [figureOf('idle', idle)];
  for (const [name, values] of found) {
    const over = { subject: `${name} over idle`, value: median(values) - base, unit: 'ms' };
    figures.push(figureOf(name, values), over);
  }
  const method =
    `the 99th percentile of monitorEventLoopDelay({ resolution: 1 }), ${DELAY_ROUNDS} times ` +
    `${ms} ms each; it contains the millisecond of its own timer, which "over idle" leaves out`;
  return { row: 'delay', title: EXTRAS.delay, method, figures, absent: [] };
}

/** The delay's 99th percentile in milliseconds, while something is done again and again. */
async function delayWhile(ms: number, once: () => Promise<void>): Promise<number> {
  sweep();
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  const end = performance.now() + ms;
  const waited = pause(ms);
  histogram.enable();
  while (performance.now() < end) {
    await once();
    // Something that is over at once would keep the timer waiting.
    if (performance.now() < end) await new Promise((resolve) => setImmediate(resolve));
  }
  await waited;
  histogram.disable();
  return histogram.percentile(99) / 1e6;
}

function figureOf(subject: string, values: readonly number[]): Figure {
  return { subject, value: median(values), unit: 'ms', spread: spreadOf(values) };
}

const HEAP_WORKS: readonly (readonly [WorkName, readonly (WakeringKit | 'node')[]])[] = [
  ['nop', ['node', 'wakering-op']],
  ['read', ['node', 'wakering', 'wakering-lease', 'wakering-op']],
  ['write', ['node', 'wakering', 'wakering-lease']],
  ['stat', ['node', 'wakering', 'wakering-op']],
  ['openClose', ['node', 'wakering', 'wakering-op']],
  ['readSmall', ['node', 'wakering']],
];

async function heap({ driver, place, quick }: ExtraContext): Promise<ExtraResult> {
  const row = 'heap';
  const operations = quick ? 10_000 : 100_000;
  const method =
    `V8's total_allocated_bytes before and after ${operations} operations, ${DEPTH} at a time, ` +
    'garbage and all; the loop that awaits them is in it, the bytes of files are not';
  const title = EXTRAS[row];
  if (allocated() === undefined) {
    const why = `Node ${process.version} does not count total_allocated_bytes; Node 26 does`;
    return { row, title, method, figures: [], absent: [{ contender: 'all', why }] };
  }
  const figures: Figure[] = [];
  for (const [name, kits] of HEAP_WORKS) {
    for (const kitName of kits) {
      const kit = kitName === 'node' ? nodeKit(kitName) : wakeringKits[kitName](driver);
      const work = await ready(name, kit, place, DEPTH);
      await work.run(operations);
      collect();
      const before = allocated() ?? 0;
      await work.run(operations);
      const value = ((allocated() ?? 0) - before) / operations;
      figures.push({ subject: `${name}, ${kitName}`, value, unit: 'bytes' });
      await work.close();
      await kit.close();
    }
  }
  return { row, title, method, figures, absent: [] };
}

function allocated(): number | undefined {
  return (getHeapStatistics() as { total_allocated_bytes?: number }).total_allocated_bytes;
}

async function growth({ driver, place, quick }: ExtraContext): Promise<ExtraResult> {
  const operations = quick ? 1_000_000 : 10_000_000;
  const kit = wakeringKits.wakering(driver);
  const work = await ready('read', kit, place, DEPTH);
  await work.run(operations / 20);
  const before = held();
  await work.run(operations);
  const after = held();
  await work.close();
  await kit.close();
  const figures: Figure[] = [
    ['heap', after.heapUsed - before.heapUsed],
    ['external', after.external - before.external],
    ['resident', after.rss - before.rss],
  ].map(([what, bytes]) => ({
    subject: `wakering, ${what}`,
    value: Number(bytes) / KIB,
    unit: 'KiB',
  }));
  const method =
    `process.memoryUsage() after a collection, before and after ${operations / 1e6} million ` +
    `awaited reads, ${DEPTH} at a time`;
  return { row: 'growth', title: EXTRAS.growth, method, figures, absent: [] };
}

function held(): NodeJS.MemoryUsage {
  collect();
  collect();
  return process.memoryUsage();
}

async function ready(name: WorkName, kit: Kit, place: Place, depth: number): Promise<Work> {
  const prepare = await workFor(name, kit.name);
  return prepare(kit, place, depth);
}
