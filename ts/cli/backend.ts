/** The only file of the command line tool that knows Wakering's runtime. */

import { Runtime } from '../index.ts';
import { CliError } from './exit.ts';
import type { FileSystem } from './hash/file-system.ts';

/** The drivers that can be asked for. */
export type DriverName = 'uring' | 'poll';

/** A running Wakering, as far as hashing needs it. */
export interface Backend extends AsyncDisposable {
  readonly fileSystem: FileSystem;
  /** The driver that runs. */
  readonly driver: string;
  /** Why that one. */
  readonly reason: string;
}

/**
 * Starts a runtime of its own for the command.
 *
 * @param driver the driver to insist on
 * @throws {@link CliError} when there is none to be had, with the reason
 */
export async function openBackend(driver: DriverName | undefined): Promise<Backend> {
  let runtime: Runtime;
  try {
    runtime = new Runtime(driver === undefined ? {} : { driver });
  } catch (error) {
    const asked = driver === undefined ? '' : ` with the driver '${driver}'`;
    throw new CliError(
      `cannot start Wakering${asked}: ${(error as Error).message}; see: wakering doctor`,
    );
  }
  const { driver: chosen, reason } = runtime.capabilities();
  return {
    fileSystem: runtime.fs,
    driver: chosen,
    reason,
    [Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose](),
  };
}
