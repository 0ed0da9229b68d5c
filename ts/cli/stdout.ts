/** Standard output that may go away: `wakering hash . | head` is no error worth a message. */

import { exitCode } from './exit.ts';

/** The reader of standard output has closed it. The tool ends without a word. */
export class BrokenPipe extends Error {
  /** What the process should exit with. */
  readonly exitCode: number = exitCode.brokenPipe;

  constructor() {
    super('the reader of standard output went away');
    this.name = 'BrokenPipe';
  }
}

/**
 * Writes to standard output and waits until it is taken.
 *
 * @throws {@link BrokenPipe} when nobody reads any more
 */
export async function writeToStdout(data: Buffer | string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else reject('code' in error && error.code === 'EPIPE' ? new BrokenPipe() : error);
    });
  });
}

/**
 * Keeps a failed write from ending the process as an unhandled `error` event. Failures of standard
 * output still reach whoever called {@link writeToStdout}; those of standard error have nobody
 * left to be told.
 */
export function tameStandardStreams(): void {
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}
