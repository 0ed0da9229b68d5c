/** Works without files: what an `await` costs, and time. */

import type { Place } from '../place.ts';
import { WrongContent } from '../place.ts';
import { crew, needs, nothing } from './work.ts';
import type { Kit, Work } from './work.ts';

const SLEEP_MS = 2;
/** libuv counts whole milliseconds: its timers may come so much early. */
const EARLY_MS_MAX = 1;

/** Awaits operations that do nothing. */
export async function nop(kit: Kit, _place: Place, depth: number): Promise<Work> {
  const once = needs(kit.nop?.bind(kit), kit, 'nop');
  const run = async (operations: number): Promise<void> => {
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        started += 1;
        await once();
      }
    });
  };
  return { run, close: nothing };
}

/** Sleeps of two milliseconds. */
export async function sleep(kit: Kit, _place: Place, depth: number): Promise<Work> {
  const wait = needs(kit.sleep?.bind(kit), kit, 'sleep');
  const run = async (operations: number): Promise<void> => {
    const begin = performance.now();
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        started += 1;
        await wait(SLEEP_MS);
      }
    });
    const least = Math.ceil(operations / depth) * (SLEEP_MS - EARLY_MS_MAX);
    const passed = performance.now() - begin;
    if (passed < least) throw new WrongContent(`${operations} sleeps took ${passed} ms only`);
  };
  return { run, close: nothing };
}
