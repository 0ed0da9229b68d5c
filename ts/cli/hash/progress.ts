/** A progress bar on standard error while a pass runs, where that is a terminal. */

import { bytes } from '../text.ts';
import type { Meter } from './pass.ts';

const REDRAWS_PER_SECOND = 10;

/** A bar on the screen, until it is disposed of. */
export interface Progress extends Disposable {
  /** What the bar shows: for the work to count in. */
  readonly meter: Meter;
}

/**
 * Shows a progress bar; its line is clean again when it is disposed of.
 *
 * @param label what is being done, such as `warming up`
 */
export async function showProgress(label: string): Promise<Progress> {
  const meter: Meter = { total: 0, files: 0, bytes: 0 };
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
    meter,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      bar.stop();
    },
  };
}
