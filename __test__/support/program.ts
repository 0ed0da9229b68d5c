/** Programs of a few lines, each in a process of its own: what ends or crashes there ends only there. */

import { run } from './launch.ts';
import type { Command, Outcome, RunOptions } from './launch.ts';

/** A program's source as a command: an ES module that can import `wakering`. */
export function programCommand(source: string, nodeArguments: readonly string[] = []): Command {
  const args = [...nodeArguments, '--input-type=module', '-e', source];
  return { command: process.execPath, args };
}

/** Runs a program to its end, at most 30 seconds. */
export function runProgram(
  source: string,
  nodeArguments: readonly string[] = [],
  options: RunOptions = {},
): Promise<Outcome> {
  return run(programCommand(source, nodeArguments), { timeoutMs: 30_000, ...options });
}
