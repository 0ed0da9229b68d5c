/** The tool where io_uring is refused, as containers do it: it runs all the same, and says why. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as cli from './support/cli.js';
import { launchObstacle, refuseUring, run, skip } from './support/launch.js';
import type { Outcome, Refusal } from './support/launch.js';

async function refused(
  t: ExecutionContext,
  refusal: Refusal,
  args: readonly string[],
): Promise<Outcome | undefined> {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) {
    skip(t, obstacle);
    return undefined;
  }
  // What the test run itself asks for must not be the reason that is found.
  const env = { WAKERING_DRIVER: undefined };
  return run(refuseUring(refusal, [process.execPath, cli.cliPath, ...args]), { env });
}

for (const [refusal, message] of [
  ['eperm', 'Operation not permitted'],
  ['enosys', 'Function not implemented'],
] as const) {
  const errno = refusal.toUpperCase();

  test(`hash runs on the other driver under ${errno}, with an equal manifest`, async (t) => {
    const folder = await cli.makeFolder(t);
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, 'sub/file'), 'file');
    const outcome = await refused(t, refusal, ['hash', folder]);
    if (outcome === undefined) return;
    t.is(outcome.status, 0, outcome.stderr);
    t.is(outcome.stdout, cli.line(join(folder, 'sub/file'), 'file'));
    t.regex(outcome.stderr, /^compare: {2}manifests equal/m);
    t.regex(outcome.stderr, /^backend: .*\(driver poll\)$/m);
    t.regex(outcome.stderr, new RegExp(`^because: .*(?:${errno}|${message})`, 'm'));
  });

  test(`hash --driver uring under ${errno} fails with the reason`, async (t) => {
    const folder = await cli.makeFolder(t);
    const outcome = await refused(t, refusal, ['hash', '--driver', 'uring', folder]);
    if (outcome === undefined) return;
    t.is(outcome.status, 1);
    t.regex(outcome.stderr, /^wakering: cannot start Wakering with the driver 'uring': /);
    t.regex(outcome.stderr, new RegExp(`${errno}|${message}`));
  });

  test(`doctor under ${errno} names the refusal and the seccomp filter`, async (t) => {
    const outcome = await refused(t, refusal, ['doctor']);
    if (outcome === undefined) return;
    t.is(outcome.status, 0, outcome.stderr);
    t.regex(outcome.stdout, /^ {2}seccomp +filter$/m);
    t.regex(outcome.stdout, /^ {2}driver +poll$/m);
    t.regex(outcome.stdout, new RegExp(`^ {2}because +.*(?:${errno}|${message})`, 'm'));
    t.regex(outcome.stdout, /has a seccomp filter, and the driver is not io_uring$/m);
  });
}

test('--driver poll is taken at its word, and the report says who asked', async (t) => {
  const folder = await cli.makeFolder(t);
  await writeFile(join(folder, 'file'), 'file');
  const { code, stderr, stdout } = await cli.runCli(['hash', '--driver', 'poll', folder]);
  t.is(code, 0, stderr);
  t.is(stdout.toString(), cli.line(join(folder, 'file'), 'file'));
  t.regex(stderr, /^backend: .*\(driver poll\)$/m);
});
