/** Where io_uring is refused, everything works on the other driver, and says why. */

import test from 'ava';
import type { ExecutionContext } from 'ava';
import { confine, launcher, launchObstacle, refuseUring, run, skip } from './support/launch.ts';
import type { Command, Outcome, Refusal, UringCall } from './support/launch.ts';
import { isSlow, makeFifo, makeFolder } from './support/fixtures.ts';
import { programCommand, runProgram } from './support/program.ts';

/** Nobody: a user without capabilities, whom memory limits bind. */
const USER = 65_534;

/** A user's first minute, and what the process looks like afterwards. */
const PROGRAM = `
  import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
  import { tmpdir } from 'node:os';
  import { Runtime } from 'wakering';
  import * as fs from 'wakering/fs';
  const names = () => new Map(readdirSync('/proc/self/task').map((id) => {
    try { return [id, readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim()]; }
    catch { return [id, '']; }
  }));
  const folder = mkdtempSync(tmpdir() + '/wakering-refused-');
  const before = names();
  const first = (await fs.readFile('package.json', 'utf8')).includes('"wakering"');
  const runtime = new Runtime();
  const { driver, reason, features } = runtime.capabilities();
  const content = Buffer.alloc(700_000, 'refused');
  await runtime.fs.writeFile(folder + '/file', content);
  const whole = (await runtime.fs.readFile(folder + '/file')).equals(content);
  const file = await runtime.fs.open(folder + '/file');
  const reads = await Promise.all(Array.from({ length: 200 }, async (_, i) =>
    (await file.read(Buffer.alloc(7), 0, 7, i * 7)).buffer.toString() === 'refused'));
  const entries = await runtime.fs.readdir(folder, { withFileTypes: true });
  const missing = await runtime.fs.stat(folder + '/nothing').catch((error) => error.code);
  const slept = await runtime.ops.sleep(5) >= 5;
  const op = runtime.ops.sleep(60_000);
  op.cancel();
  const cancelled = await op.catch((error) => error.code);
  const added = [...names()].filter(([id]) => !before.has(id)).map(([, name]) => name);
  let refused = '';
  try { await new Runtime({ driver: 'uring' }).close(); } catch (error) {
    refused = error.code + ' ' + error.message;
  }
  await runtime.close();
  rmSync(folder, { recursive: true });
  const works = { first, whole, reads: reads.every(Boolean), entries: entries.length, missing, slept, cancelled };
  console.log(JSON.stringify({ driver, reason, refused, works, added,
    ringSize: features.ring_size?.reason ?? null }));
`;

interface Report {
  readonly driver: string;
  readonly reason: string;
  /** What asking for `uring` says; empty where it is granted. */
  readonly refused: string;
  readonly works: unknown;
  /** The threads that came while operations were carried out. */
  readonly added: readonly string[];
  readonly ringSize: string | null;
}

const WORKS = {
  first: true,
  whole: true,
  reads: true,
  entries: 1,
  missing: 'ENOENT',
  slept: true,
  cancelled: 'ABORT_ERR',
};

/** Runs the program in a hostile place. */
async function report(t: ExecutionContext, command: Command): Promise<Report> {
  // What the test run itself asks for must not be the reason that is found.
  const outcome = await run(command, { env: { WAKERING_DRIVER: undefined } });
  t.is(outcome.status, 0, outcome.stderr);
  t.is(outcome.stderr, '');
  return JSON.parse(outcome.stdout) as Report;
}

/** Operations worked, and none of libuv's threads was started for them. */
function checkWorks(t: ExecutionContext, { works, added }: Report): void {
  t.deepEqual(works, WORKS);
  const foreign = added.filter((name) => !/^(?:wakering-|iou-)/.test(name));
  t.deepEqual(foreign, [], 'only our own threads and the kernel’s');
}

interface Case {
  readonly refusal: Refusal;
  readonly only: readonly UringCall[];
  readonly reason: RegExp;
  readonly code: string;
}

const cases: Record<string, Case> = {
  'under EPERM, as in containers': {
    refusal: 'eperm',
    only: [],
    reason: /io_uring_setup: Operation not permitted.*sandbox \(seccomp.*Docker.*forbids/,
    code: 'EPERM',
  },
  'under ENOSYS, as without io_uring': {
    refusal: 'enosys',
    only: [],
    reason:
      /io_uring_setup: Function not implemented.*kernel was built without io_uring, or a sandbox/,
    code: 'ENOSYS',
  },
  'under EACCES, as of security modules': {
    refusal: 'eacces',
    only: [],
    reason: /io_uring_setup: Permission denied.*security module/,
    code: 'EACCES',
  },
  'where only io_uring_enter is refused': {
    refusal: 'eperm',
    only: ['enter'],
    reason: /io_uring_enter: Operation not permitted.*sandbox/,
    code: 'EPERM',
  },
  'where only io_uring_register is refused': {
    refusal: 'eperm',
    only: ['register'],
    reason: /io_uring_register: Operation not permitted.*sandbox/,
    code: 'EPERM',
  },
};

/** Why a refusal of one part of io_uring, or for one cause, cannot be seen here. */
async function obstacleToNuances(user?: number): Promise<string | undefined> {
  const obstacle = launchObstacle(user);
  if (obstacle !== undefined) return obstacle;
  const { stdout } = await run({ command: launcher('probe-uring'), args: [] });
  const refused = /^setup (EPERM|ENOSYS|EACCES)$/m.exec(stdout)?.[1];
  return refused && `all of io_uring is refused here already: ${refused}`;
}

/** Node's own libuv may not survive the same refusal (it aborts where only `enter` is refused). */
async function nodeItself(command: (argv: readonly string[]) => Command): Promise<Outcome> {
  const program = 'setTimeout(() => console.log("alive"), 20)';
  return run(command([process.execPath, '-e', program]));
}

for (const [title, { refusal, only, reason, code }] of Object.entries(cases)) {
  test(`${title}, everything works on the poll driver, which names the cause`, async (t) => {
    const obstacle = only.length > 0 ? await obstacleToNuances() : launchObstacle();
    if (obstacle !== undefined) return skip(t, obstacle);
    const refuse = (argv: readonly string[]): Command => refuseUring(refusal, argv, only);
    const alone = await nodeItself(refuse);
    if (alone.stdout !== 'alive\n') {
      return skip(
        t,
        `Node itself ends here: ${alone.signal ?? alone.status} ${alone.stderr.trim()}`,
      );
    }
    const { command, args } = programCommand(PROGRAM);
    const found = await report(t, refuse([command, ...args]));
    t.is(found.driver, 'poll');
    t.regex(found.reason, /^io_uring is refused: /);
    t.regex(found.reason, reason);
    t.regex(found.refused, new RegExp(`^${code} .*the 'uring' driver cannot be used: `));
    t.regex(found.refused, reason);
    checkWorks(t, found);
  });
}

// Locked memory is counted for the user, whatever the process: one after the other.
test.serial(
  'with little locked memory a plain user gets what fits, and everything works',
  async (t) => {
    const obstacle = await obstacleToNuances(USER);
    if (obstacle !== undefined) return skip(t, obstacle);
    const { command, args } = programCommand(PROGRAM);
    // Somewhere between too little and enough, a ring fits and the worker loop's own does not.
    for (const kibibytes of isSlow ? [64] : [64, 96, 128, 192, 256, 512]) {
      const limits = { user: USER, memlockBytes: kibibytes * 1024 };
      const found = await report(t, confine(limits, [command, ...args]));
      checkWorks(t, found);
      t.log(`${kibibytes} KiB: ${found.driver}, ${found.ringSize ?? found.reason}`);
      if (found.driver === 'poll') t.regex(found.reason, /locked memory.*ulimit -l/);
      else t.regex(found.reason, /the kernel allows io_uring/);
    }
  },
);

test.serial('with no locked memory at all, the reason says so and what to do', async (t) => {
  const obstacle = await obstacleToNuances(USER);
  if (obstacle !== undefined) return skip(t, obstacle);
  const { command, args } = programCommand(PROGRAM);
  const found = await report(t, confine({ user: USER, memlockBytes: 0 }, [command, ...args]));
  checkWorks(t, found);
  if (found.driver === 'uring') {
    t.log('this kernel does not count rings as locked memory');
    return;
  }
  t.regex(found.reason, /locked memory of the user \(limit 0 bytes\).*raise `ulimit -l`/);
  t.regex(found.refused, /^ENOMEM .*locked memory/);
});

test('with kernel.io_uring_disabled, the sysctl is named', async (t) => {
  const { readFile } = await import('node:fs/promises');
  const path = '/proc/sys/kernel/io_uring_disabled';
  const value = (await readFile(path, 'utf8').catch(() => 'absent')).trim();
  if (value === '0' || value === 'absent') {
    return skip(
      t,
      `kernel.io_uring_disabled is ${value}, and tests do not set sysctls of the host`,
    );
  }
  const found = await report(t, programCommand(PROGRAM));
  checkWorks(t, found);
  if (found.driver === 'poll') t.regex(found.reason, /kernel\.io_uring_disabled/);
});

test("a jammed thread pool of libuv's does not hold up our operations", async (t) => {
  const fifo = makeFifo(await makeFolder(t));
  const source = `
    import { closeSync, openSync, promises } from 'node:fs';
    import { Runtime } from 'wakering';
    const runtime = new Runtime();
    // Each waits in a thread until somebody opens the other end.
    const jammed = Array.from({ length: 4 }, () => promises.open(${JSON.stringify(fifo)}, 'r'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    let node = 'waits';
    const late = promises.stat('.').then(() => (node = 'answered'));
    const { fs } = runtime;
    await fs.writeFile(${JSON.stringify(`${fifo}-file`)}, 'x');
    const names = await fs.readdir('.');
    const stats = await fs.stat('.');
    console.log(names.includes('package.json'), stats.isDirectory(), node);
    const writer = openSync(${JSON.stringify(fifo)}, 'r+');
    for (const handle of await Promise.all(jammed)) await handle.close();
    closeSync(writer);
    await late;
    await runtime.close();
  `;
  const { status, stdout, stderr } = await runProgram(source, [], {
    env: { UV_THREADPOOL_SIZE: '4' },
  });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'true true waits\n', stderr: '' });
});
