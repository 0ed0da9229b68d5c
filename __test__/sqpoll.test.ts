/** Submission by a kernel thread: where it runs, who shares it, that it sleeps and is woken. */

import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { RuntimeOptions } from 'wakering';
import { eventually } from './support/counts.ts';
import { inTime, isSlow, makeFolder, pause, rounds } from './support/fixtures.ts';
import { skip } from './support/launch.ts';

const IDLE_MS = 20;

interface SqThread {
  readonly id: string;
  readonly cpus: string;
  readonly state: string;
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
}

/** The kernel threads of this process that take submissions. */
function sqThreads(): SqThread[] {
  const found: SqThread[] = [];
  for (const id of readdirSync('/proc/self/task')) {
    try {
      const status = readFileSync(`/proc/self/task/${id}/status`, 'utf8');
      if (!field(status, 'Name').startsWith('iou-sqp-')) continue;
      found.push({ id, cpus: field(status, 'Cpus_allowed_list'), state: field(status, 'State') });
    } catch {
      // It has ended.
    }
  }
  return found;
}

function whenThreads(count: number): Promise<SqThread[]> {
  return eventually(sqThreads, (threads) => threads.length === count);
}

/** The last CPU that this process may use. */
function lastCpu(): number {
  const allowed = field(readFileSync('/proc/self/status', 'utf8'), 'Cpus_allowed_list');
  return Number(allowed.split(/[,-]/).at(-1));
}

/** Why there is nothing to test here. */
async function obstacle(): Promise<string | undefined> {
  if (process.env['WAKERING_DRIVER'] === 'poll') return 'SQPOLL belongs to the uring driver';
  await using runtime = new Runtime({ driver: 'auto' });
  const { driver, reason, features } = runtime.capabilities();
  if (driver === 'poll') return reason;
  const { sqpoll } = features;
  return sqpoll?.available === true ? undefined : `no SQPOLL here: ${sqpoll?.reason}`;
}

function options(more: RuntimeOptions['sqpoll'] = {}): RuntimeOptions {
  return { driver: 'uring', sqpoll: { cpu: lastCpu(), idle: IDLE_MS, ...more } };
}

async function checkReads(t: ExecutionContext, runtime: Runtime): Promise<void> {
  const expected = readFileSync('package.json');
  await using file = await runtime.fs.open('package.json');
  const reads = Array.from({ length: 64 }, async (_, index) => {
    const buffer = Buffer.alloc(100);
    const { bytesRead } = await file.read(buffer, 0, 100, index);
    return buffer.equals(expected.subarray(index, index + 100)) && bytesRead === 100;
  });
  const right = await inTime(Promise.all(reads), 'the reads');
  t.true(right.every(Boolean));
}

/** A test that leaves with its reason where there is no SQPOLL. One at a time: threads are counted. */
function sqpoll(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test.serial(title, async (t) => {
    const reason = await obstacle();
    if (reason !== undefined) return skip(t, reason);
    // Looking for the feature made a thread, and a thread has its name only once it has run.
    await pause(50);
    t.deepEqual(await whenThreads(0), []);
    await body(t);
    t.deepEqual(await whenThreads(0), [], 'the thread has gone with its runtime');
  });
}

sqpoll('the thread exists, is bound to the CPU that was asked for, and serves reads', async (t) => {
  await using runtime = new Runtime(options());
  const threads = await whenThreads(1);
  t.is(threads.length, 1);
  t.is(threads[0]?.cpus, String(lastCpu()));
  await checkReads(t, runtime);
});

sqpoll('without a cpu the thread may run anywhere', async (t) => {
  await using runtime = new Runtime(options({ cpu: undefined }));
  t.is((await whenThreads(1)).length, 1);
  await checkReads(t, runtime);
});

sqpoll('after its idle time the thread sleeps, and the next operation wakes it', async (t) => {
  await using runtime = new Runtime(options());
  for (let round = 0; round < 5; round += 1) {
    await inTime(runtime.ops.nop(), 'the first operation after a pause');
    await pause(IDLE_MS * 5);
    const threads = await eventually(
      sqThreads,
      ([thread]) => thread?.state.startsWith('S') === true,
    );
    t.regex(threads[0]?.state ?? '', /^S/, 'sleeping');
    await checkReads(t, runtime);
  }
});

sqpoll('four runtimes share one thread, and it lives until the last of them ends', async (t) => {
  const runtimes = Array.from({ length: 4 }, () => new Runtime(options()));
  t.is((await whenThreads(1)).length, 1);
  await Promise.all(runtimes.map((runtime) => checkReads(t, runtime)));
  const [thread] = sqThreads();
  // The first made the thread: it is no more special than the others.
  for (const runtime of runtimes.slice(0, 3)) {
    await runtime.close();
    t.is(sqThreads()[0]?.id, thread?.id);
  }
  const last = runtimes[3];
  if (last !== undefined) await checkReads(t, last);
  await last?.close();
});

sqpoll('with share: false each runtime has a thread of its own', async (t) => {
  await using one = new Runtime(options({ share: false }));
  await using two = new Runtime(options({ share: false }));
  t.is((await whenThreads(2)).length, 2);
  await checkReads(t, one);
  await checkReads(t, two);
});

sqpoll(
  "with idle: 'auto' it reports what it does, and is left where there is nothing to do",
  async (t) => {
    await using runtime = new Runtime(options({ idle: 'auto' }));
    await checkReads(t, runtime);
    const { steered } = runtime.metrics().sqpoll;
    t.is(steered?.loops, 1);
    t.true((steered?.idleMs ?? 0) >= 1);
    const [thread] = await whenThreads(1);
    if (thread === undefined) throw new Error('whenThreads has waited for one');
    t.is(String(steered?.thread), thread.id);
    t.is(thread.cpus, String(lastCpu()));
    // An operation each 10 ms: the thread would look all the time and find next to nothing.
    let state = steered;
    for (let count = 0; count < 1000 && state?.route !== 'plain'; count += 1) {
      await runtime.ops.nop();
      await pause(8);
      state = runtime.metrics().sqpoll.steered;
    }
    t.is(state?.route, 'plain', JSON.stringify(state));
    t.regex(state?.decisions.at(-1) ?? '', /: plain submission \(.*\)$/);
    await checkReads(t, runtime);
  },
);

/** What is decided first for a program with short pauses. */
async function firstDecision(weight: number): Promise<string> {
  await using runtime = new Runtime(options({ idle: 'auto', weight, share: false }));
  for (let count = 0; count < 1000; count += 1) {
    await runtime.ops.nop();
    await pause(20);
    const [decision] = runtime.metrics().sqpoll.steered?.decisions ?? [];
    if (decision !== undefined) return decision;
  }
  return 'nothing';
}

sqpoll('the weight of the delay decides whether the thread is kept awake', async (t) => {
  const decisions = [await firstDecision(1_000_000), await firstDecision(0)];
  if (decisions.some((decision) => decision.includes('its CPU was'))) {
    return t.log(`SKIP: the CPU is somebody else's: ${decisions.join('; ')}`);
  }
  t.regex(decisions[0] ?? '', /: over the SQ thread, idle \d+ ms \(a pause costs /);
  t.regex(decisions[1] ?? '', /: plain submission \(.* of the SQ thread's time is work\)$/);
});

sqpoll('far fewer system calls than operations', async (t) => {
  await using runtime = new Runtime(options({ idle: 1000 }));
  const count = rounds(20_000);
  const before = runtime.metrics().enters;
  let started = 0;
  const reader = async (): Promise<void> => {
    while (started < count) {
      started += 1;
      await runtime.ops.nop();
    }
  };
  await inTime(Promise.all(Array.from({ length: 32 }, reader)), 'the operations', 60_000);
  const enters = runtime.metrics().enters - before;
  t.log(`${enters} enters for ${count} operations`);
  t.true(enters < count / 20, `${enters} enters`);
});

sqpoll('everything else works over it too: files, large copies, timers, cancels', async (t) => {
  await using runtime = new Runtime(options());
  const { fs, ops } = runtime;
  const folder = await makeFolder(t);
  const content = Buffer.alloc(isSlow ? 300_000 : 3_000_000, 'sqpoll');
  await fs.writeFile(`${folder}/file`, content);
  t.true((await fs.readFile(`${folder}/file`)).equals(content));
  await fs.rename(`${folder}/file`, `${folder}/renamed`);
  t.deepEqual(await fs.readdir(folder), ['renamed']);
  t.true((await ops.sleep(10)) >= 10);
  const sleep = ops.sleep(60_000);
  await pause(5);
  sleep.cancel();
  await t.throwsAsync(async () => sleep, { code: 'ABORT_ERR' });
  await t.throwsAsync(fs.stat('/nonexistent/wakering'), { code: 'ENOENT' });
});

sqpoll('a CPU that does not exist is an error that names sqpoll.cpu', async (t) => {
  for (const driver of ['uring', 'auto'] as const) {
    const error = t.throws(() => new Runtime({ driver, sqpoll: { cpu: 4095 } }), {
      code: 'EINVAL',
      message: /sqpoll\.cpu: CPU 4095 cannot run the SQ thread: it does not exist/,
    });
    t.regex(error?.message ?? '', /taskset/, 'and what to do');
  }
});

sqpoll('a lasting pause between single operations loses none of them', async (t) => {
  await using runtime = new Runtime(options({ idle: 1 }));
  const count = isSlow ? 10 : 60;
  for (let round = 0; round < count; round += 1) {
    // Around the moment at which the thread goes to sleep.
    await pause(round % 12);
    await inTime(runtime.ops.nop(), `operation ${round}`);
  }
  t.is(runtime.metrics().completed['Nop'], count);
});
