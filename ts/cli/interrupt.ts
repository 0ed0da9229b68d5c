/** Ctrl-C and its siblings, as an `AbortSignal` that every operation can take. */

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Why an interrupted command stopped: the `reason` of its abort signal. */
export class Interrupted extends Error {
  /** What the process should exit with: 128 + the signal's number, as shells report it. */
  readonly exitCode: number;

  /** @param signal the name of the signal that arrived */
  constructor(signal: (typeof SIGNALS)[number]) {
    super(`interrupted by ${signal}`);
    this.name = 'Interrupted';
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** A subscription to the process's interrupting signals. */
export interface Interruption extends Disposable {
  /** Aborts, with {@link Interrupted} as its reason, when the first signal arrives. */
  readonly signal: AbortSignal;
}

/**
 * Starts to listen. The first signal aborts; the handlers are gone by then, so a second one ends
 * the process at once, as it would have without us.
 */
export function listenForInterrupts(): Interruption {
  const controller = new AbortController();
  const stop = (): void => {
    for (const name of SIGNALS) process.off(name, arrived);
  };
  const arrived = (name: NodeJS.Signals): void => {
    stop();
    controller.abort(new Interrupted(name as (typeof SIGNALS)[number]));
  };
  for (const name of SIGNALS) process.on(name, arrived);
  return { signal: controller.signal, [Symbol.dispose]: stop };
}

/** Settles as `work` does, or rejects with the signal's reason as soon as that aborts. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
