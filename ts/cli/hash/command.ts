/** `wakering hash`: from options to an exit code. */

import { exitCode } from '../exit.ts';
import { untilAborted } from '../interrupt.ts';
import { writeToStdout } from '../stdout.ts';
import { openBackend } from '../backend.ts';
import type { Backend, DriverName } from '../backend.ts';
import { compare, makeVisiblePass } from './compare.ts';
import type { Comparison, CompareOptions } from './compare.ts';
import { nodeFileSystem } from './file-system.ts';
import { manifestBlocks } from './manifest.ts';
import { openOutput, pathsWithin, standardOutput } from './output.ts';
import type { Output } from './output.ts';
import type { Pass } from './pass.ts';
import { failureLine, reportLines, reportObject } from './report.ts';
import type { Run } from './report.ts';

/** The options of `wakering hash`, checked. */
export interface HashOptions {
  readonly root: Buffer;
  /** Where the manifest goes; standard output if missing. */
  readonly out: Buffer | undefined;
  readonly concurrency: number;
  /** The driver that was asked for; Wakering's own choice if missing. */
  readonly driver: DriverName | undefined;
  readonly compare: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Hashes a tree, writes its manifest, reports. Resolves with the exit code. */
export async function runHash(options: HashOptions, signal: AbortSignal): Promise<number> {
  const output = options.out === undefined ? standardOutput : await openOutput(options.out);
  // At once, not when everything has stopped: a second Ctrl-C ends the process before that.
  const onAbort = (): void => output.discard();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await untilAborted(hashInto(output, options, signal), signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
    output.discard();
  }
}

async function hashInto(
  output: Output,
  options: HashOptions,
  signal: AbortSignal,
): Promise<number> {
  await using backend = await openBackend(options.driver);
  const run = await measure(backend, output, options, signal);
  for (const failure of run.pass.failures) complain(failureLine(failure));
  // With --json standard output belongs to the report.
  if (options.out !== undefined || !options.json) {
    await output.write(manifestBlocks(run.pass.entries), signal);
  }
  if (options.json) await writeToStdout(`${JSON.stringify(reportObject(run), null, 2)}\n`);
  else if (!options.quiet) for (const line of reportLines(run)) complain(line);
  const flawless = run.pass.failures.length === 0 && run.comparison?.difference === undefined;
  return flawless ? exitCode.ok : exitCode.failed;
}

async function measure(
  backend: Backend,
  output: Output,
  options: HashOptions,
  signal: AbortSignal,
): Promise<Run> {
  const { root, concurrency } = options;
  const passOptions: CompareOptions = {
    concurrency,
    signal,
    exclude: await pathsWithin(root, output),
    showProgress: process.stderr.isTTY && !options.quiet && !options.json,
  };
  let comparison: Comparison | undefined;
  let pass: Pass;
  if (options.compare) {
    const sides = { wakering: backend.fileSystem, node: nodeFileSystem };
    comparison = await compare(sides, root, passOptions);
    pass = comparison.wakering;
  } else {
    pass = await makeVisiblePass('wakering', backend.fileSystem, root, passOptions);
  }
  const { driver, reason } = backend;
  return { root, pass, comparison, driver, reason, out: options.out };
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
