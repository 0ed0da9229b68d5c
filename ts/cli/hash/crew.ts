/** A bounded crew of asynchronous workers over one stack of work. */

/**
 * Does every item of `work`, at most `size` at a time, the newest first.
 *
 * `perform` may add items to `work` while it runs: that is how a walk grows. Newest first keeps
 * the stack as deep as the tree and not as wide as it. The first rejection is handed on once every
 * worker has stopped, so that nothing of this call runs on behind the caller's back.
 */
export async function workThrough<T>(
  work: T[],
  size: number,
  signal: AbortSignal,
  perform: (item: T, worker: number) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;

  const wakeAll = (): void => {
    for (const resume of waiting.splice(0)) resume();
  };

  const run = async (worker: number): Promise<void> => {
    while (failures.length === 0 && !signal.aborted) {
      const item = work.pop();
      if (item === undefined) {
        // Nothing to do, but a busy worker may still add something.
        if (busy === 0) return;
        await new Promise<void>((resume) => waiting.push(resume));
        continue;
      }
      busy += 1;
      try {
        await perform(item, worker);
      } catch (error) {
        failures.push(error);
      }
      busy -= 1;
      if (waiting.length > 0 && (work.length > 0 || busy === 0 || failures.length > 0)) wakeAll();
    }
    wakeAll();
  };

  await Promise.all(Array.from({ length: size }, (_, worker) => run(worker)));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}
