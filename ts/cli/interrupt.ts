/** Ctrl-C and its siblings, as an `AbortSignal` that every operation can take. */

import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type InterruptSignal = (typeof SIGNALS)[number];

/** How long operations that were asked to stop are waited for. */
const GRACE_MS = 500;

/** Why an interrupted command stopped: the `reason` of its abort signal. */
export class Interrupted extends Error {
  /** The signal that arrived. */
  readonly signalName: InterruptSignal;
  /** What the process should exit with: 128 + the signal's number, as shells report it. */
  readonly exitCode: number;
  /**
   * Whether something still runs that nobody can cancel. An orderly exit would wait for it:
   * Node joins its threads, and one of them may sit in a system call for ever.
   */
  readonly stuck: boolean;

  /** @param signalName the signal that arrived */
  constructor(signalName: InterruptSignal, stuck = false) {
    super(`interrupted by ${signalName}`);
    this.name = 'Interrupted';
    this.signalName = signalName;
    this.exitCode = 128 + constants.signals[signalName];
    this.stuck = stuck;
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
    controller.abort(new Interrupted(name as InterruptSignal));
  };
  for (const name of SIGNALS) process.on(name, arrived);
  return { signal: controller.signal, [Symbol.dispose]: stop };
}

/**
 * Settles as `work` does. Once the signal aborts, `work` has a moment to end; then this rejects
 * with the signal's reason, which says whether `work` is stuck.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<'aborted'>();
  const onAbort = (): void => aborted.resolve('aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const settled = work.then(
      () => 'settled' as const,
      () => 'settled' as const,
    );
    if ((await Promise.race([settled, aborted.promise])) === 'settled') return await work;
    const late = sleep(GRACE_MS, 'stuck' as const);
    throw interruption(signal.reason, (await Promise.race([settled, late])) === 'stuck');
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function interruption(reason: unknown, stuck: boolean): unknown {
  return stuck && reason instanceof Interrupted ? new Interrupted(reason.signalName, true) : reason;
}
