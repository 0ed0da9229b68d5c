/** Time: sleeping on the runtime's own clock. */

import type { CallOptions, Ops } from '../lane.ts';
import type { Op } from '../op.ts';

/** What `runtime.time` offers. */
export interface Time {
  /**
   * Waits at least `ms` milliseconds; the value is how many passed.
   *
   * @throws RangeError for a time that is negative, no number, or longer than a year.
   * @example
   * ```ts
   * import { Runtime } from 'wakering';
   *
   * await using runtime = new Runtime();
   * const passed = await runtime.time.sleep(10);
   * console.log(passed >= 10);
   * ```
   */
  sleep(ms: number, options?: CallOptions): Op<number>;
}

/** Made by `Runtime`. */
export function createTime(ops: Ops): Time {
  return { sleep: (ms, options) => ops.sleep(ms, options) };
}
