/** Contenders within a process: this one, or a peer's. */

import type { Contender, Round } from './measure.ts';
import type { Place } from './place.ts';
import { workFor } from './works/index.ts';
import type { WorkName } from './works/index.ts';
import type { Kit } from './works/work.ts';

/** Works whose operations are one system call each, at the most: only then is their number known. */
const COUNTED: ReadonlySet<WorkName> = new Set(['read', 'readDirect', 'write', 'nop']);

/** A row's work, done with `kit`. */
export async function here(
  work: WorkName,
  kit: Kit,
  place: Place,
  depth: number,
): Promise<Contender> {
  const { name } = kit;
  try {
    const prepare = await workFor(work, name);
    const ready = await prepare(kit, place, depth);
    const calls = COUNTED.has(work) ? kit.systemCalls : undefined;
    return {
      name,
      async measure(operations) {
        const round = await measure((count) => ready.run(count), operations, calls);
        await kit.quiet?.();
        return round;
      },
      async close() {
        await ready.close();
        await kit.close();
      },
    };
  } catch (error) {
    await kit.close();
    throw error;
  }
}

async function measure(
  run: (operations: number) => Promise<void>,
  operations: number,
  calls: (() => number) | undefined,
): Promise<Round> {
  collect();
  const before = calls?.() ?? 0;
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await run(operations);
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    operations,
    seconds,
    cpuMicros: user + system,
    ...(calls && { systemCalls: calls() - before }),
  };
}

/** Takes the last round's garbage out of this one. */
export function collect(): void {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(synchronously: boolean): void };
  };
  if (Bun === undefined) gc?.();
  else Bun.gc(true);
}
