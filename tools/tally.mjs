// Adds up several test runs: `node tools/tally.mjs FILE` prints a line for each run that
// tools/test.mjs noted in FILE, and last the total.
//
// A test that cannot run on this machine passes and logs `skipped: <reason>`; it is counted as
// skipped here, so that a kernel without a feature cannot look like a kernel that passed.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { fail } from './project.mjs';

/** What ava's closing lines and the logs of skipped tests say. */
export function countsOf(colored) {
  const output = stripVTControlCharacters(colored);
  const sum = (pattern) =>
    [...output.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
  const logged = [...output.matchAll(/^ *ℹ skipped: .+$/gmu)].length;
  const failed = sum(/^ {2}(\d+) (?:tests? failed|uncaught exceptions?|unhandled rejections?)$/gmu);
  const unfinished = sum(/^ {2}(\d+) tests? remained? pending$/gmu);
  return {
    passed: sum(/^ {2}(\d+) tests? passed$/gmu) - logged,
    failed: failed + unfinished,
    skipped: sum(/^ {2}(\d+) tests? (?:skipped|todo)$/gmu) + logged,
  };
}

function main(file) {
  const runs = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const run of runs) {
    // A run that ended badly without naming a failed test (a crash, a time-out) still failed.
    if (run.status !== 0) run.failed = Math.max(run.failed, 1);
    for (const key of Object.keys(total)) total[key] += run[key];
    console.log(`node ${run.node}, driver ${run.driver}: ${worded(run)}`);
  }
  if (total.passed === 0) fail('no test ran');
  console.log(worded(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
}

const worded = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
