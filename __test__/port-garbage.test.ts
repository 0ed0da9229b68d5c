/**
 * The port survives garbage. How long it is thrown at it is `WAKERING_GARBAGE_SECONDS` (10; CI takes
 * 60), and `WAKERING_SEED` repeats a run.
 */

import { chmodSync } from 'node:fs';
import test from 'ava';
import { makeFolder, programPath, seedOf } from './support/fixtures.ts';
import { confine, launchObstacle, run, skip } from './support/launch.ts';

const SECONDS = Number(process.env['WAKERING_GARBAGE_SECONDS'] ?? '10');
const NOBODY = 65_534;

interface Report {
  readonly flushes: number;
  readonly descriptors: number;
  readonly records: number;
  readonly refused: number;
  readonly neighbour: number;
  readonly malformed: number;
  readonly completed: number;
  readonly succeeded: readonly string[];
}

test.serial(`random bytes in the port's memory for ${SECONDS} s hurt nothing`, async (t) => {
  const obstacle = launchObstacle(NOBODY);
  if (obstacle !== undefined) return skip(t, obstacle);
  t.timeout((SECONDS + 60) * 1000);
  const seed = seedOf(t);
  const folder = await makeFolder(t);
  // The garbage unlinks, renames and writes: as nobody, here, and never more than a megabyte.
  chmodSync(folder, 0o777);
  const program = [process.execPath, programPath('garbage'), `${SECONDS}`, `${seed}`];
  const limited = ['sh', '-c', 'ulimit -f 2048; exec "$@"', 'sh', ...program];
  const options = { cwd: folder, timeoutMs: (SECONDS + 40) * 1000 };
  const outcome = await run(confine({ user: NOBODY, files: 256 }, limited), options);
  const { status, signal, stderr } = outcome;
  t.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  const report = JSON.parse(outcome.stdout) as Report;
  t.log(JSON.stringify(report));
  // It was garbage, it was carried out, and some of it made enough sense to do something.
  t.true(report.malformed > 1000 && report.records > 1000 && report.refused > 0);
  t.true(report.neighbour > 0, 'another runtime worked meanwhile');
  t.true(report.succeeded.length > 15, report.succeeded.join(' '));
});
