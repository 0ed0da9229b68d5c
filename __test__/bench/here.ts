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
        await ready.clean?.();
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
  sweep();
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

type Collect = (options?: { readonly type: 'minor' }) => void;

/**
 * Takes the last round's garbage out of this one. The young alone: a whole collection would also make
 * V8 forget code and shrink what it allocates from, and the next 20 ms would measure that. Bun has no
 * such call, and is no slower without.
 */
export function sweep(): void {
  (globalThis as { gc?: Collect }).gc?.({ type: 'minor' });
}

/** Collects everything. */
export function collect(): void {
  (globalThis as { gc?: Collect }).gc?.();
}
