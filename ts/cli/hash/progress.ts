/** A progress bar on standard error while a pass runs, where that is a terminal. */

import { bytes } from '../text.ts';
import type { Meter } from './pass.ts';

const REDRAWS_PER_SECOND = 10;

/**
 * Shows how far `meter` has come until it is disposed of, then clears its line.
 *
 * @param label what is being done, such as `hashing`
 */
export async function showProgress(label: string, meter: Meter): Promise<Disposable> {
  // Loaded here because most runs (pipes, CI, --quiet) have no terminal to draw on.
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar(
    {
      stream: process.stderr,
      format: `${label} {bar} {percentage} % · {value}/{total} files · {read}`,
      fps: REDRAWS_PER_SECOND,
      clearOnComplete: true,
      hideCursor: false,
      linewrap: true,
    },
    cliProgress.Presets.shades_classic,
  );
  const read = (): { read: string } => ({ read: bytes(meter.bytes) });
  bar.start(meter.total, meter.files, read());
  const timer = setInterval(() => {
    bar.setTotal(meter.total);
    bar.update(meter.files, read());
  }, 1000 / REDRAWS_PER_SECOND);
  // Drawing is no reason for the process to live.
  timer.unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      bar.stop();
    },
  };
}
