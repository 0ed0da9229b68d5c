// Adds up several test runs: `node tools/tally.mjs FILE` prints a line for each run that
// tools/test.mjs noted in FILE, and last the total.
//
// A test that cannot run on this machine passes and logs `skipped: <reason>`; it is counted as
// skipped here, so that a kernel without a feature cannot look like a kernel that passed.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { fail } from './project.mjs';

/** Counts the lines that ava prints for each test; its closing counts leave out passes on failure. */
export function countsOf(output) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let last = '';
  for (const line of stripVTControlCharacters(output).split('\n')) {
    const mark = /^ {2}(✔|✘|- \[skip\]|- \[todo\]) /u.exec(line)?.[1];
    if (mark === '✔') counts.passed++;
    else if (mark === '✘') counts.failed++;
    else if (mark !== undefined) counts.skipped++;
    else if (last === '✔' && /^ {4}ℹ skipped: /u.test(line)) {
      counts.passed--;
      counts.skipped++;
      last = '';
    }
    if (mark !== undefined) last = mark;
  }
  return counts;
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
