/** `wakering doctor`: what this machine allows, what was chosen and why, what could be better. */

import { exitCode } from '../exit.ts';
import { writeToStdout } from '../stdout.ts';
import { diagnose } from './diagnose.ts';
import { askLibrary } from './library.ts';
import { readMachine } from './machine.ts';
import { renderFindings } from './render.ts';

/** Prints the findings. Resolves with the exit code: 1 when Wakering cannot run here at all. */
export async function runDoctor(json: boolean): Promise<number> {
  const machine = readMachine();
  const library = await askLibrary();
  const advice = diagnose(machine, library);
  const text = json
    ? `${JSON.stringify({ ...machine, ...library, advice }, null, 2)}\n`
    : renderFindings(machine, library, advice);
  await writeToStdout(text);
  return library.problem === undefined ? exitCode.ok : exitCode.failed;
}
