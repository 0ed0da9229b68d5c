/** A process that ends in mid-operation ends at once, with the status that it asked for. */

import { spawn } from 'node:child_process';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { makeFifo, makeFolder, patience, programPath } from './support/fixtures.ts';
import { run } from './support/launch.ts';

/** From `going` to the end; what is stuck in the kernel may cost the two seconds of a shutdown. */
const END_MS_MAX = 5000;

interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** Milliseconds from `going` to the end. */
  readonly ms: number;
}

async function endingOf(
  t: ExecutionContext,
  what: string,
  how: string,
  send?: NodeJS.Signals,
): Promise<Ending> {
  const folder = await makeFolder(t);
  makeFifo(folder);
  const child = spawn(process.execPath, [programPath('ending'), what, how, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: patience(30_000),
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  let going = Number.NaN;
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout.once('data', () => {
    going = performance.now();
    if (send !== undefined) child.kill(send);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      resolve({ status, signal, stderr, ms: performance.now() - going });
    });
  });
}

function inGoodTime(t: ExecutionContext, { ms }: Ending): void {
  t.true(ms < patience(END_MS_MAX), `${ms} ms`);
}

const operations = [
  'pipe read',
  'large pipe read',
  'blocked open',
  'large writes',
  'sleep',
  'everything',
];

for (const what of operations) {
  for (const how of ['exit', 'exit in a callback']) {
    test.serial(`${what}: ${how}`, async (t) => {
      const ending = await endingOf(t, what, how);
      const { status, signal, stderr } = ending;
      t.deepEqual({ status, signal, stderr }, { status: 3, signal: null, stderr: '' });
      inGoodTime(t, ending);
    });
  }

  for (const how of ['throw', 'throw in a callback']) {
    test.serial(`${what}: ${how}`, async (t) => {
      const ending = await endingOf(t, what, how);
      const { status, signal } = ending;
      t.deepEqual({ status, signal }, { status: 1, signal: null });
      t.regex(ending.stderr, /Error: thrown on purpose/);
      inGoodTime(t, ending);
    });
  }

  test.serial(`${what}: SIGTERM`, async (t) => {
    const ending = await endingOf(t, what, 'signal', 'SIGTERM');
    const { status, signal, stderr } = ending;
    t.deepEqual({ status, signal, stderr }, { status: null, signal: 'SIGTERM', stderr: '' });
    inGoodTime(t, ending);
  });
}

/** Runs a few lines as a module of their own; how long they took. */
async function timed(
  lines: string,
): Promise<{ outcome: Awaited<ReturnType<typeof run>>; ms: number }> {
  const start = performance.now();
  const args = ['--input-type=module', '-e', `import { Runtime } from 'wakering';\n${lines}`];
  const outcome = await run({ command: process.execPath, args });
  return { outcome, ms: performance.now() - start };
}

test.serial("an unref'd operation lets the process end at once", async (t) => {
  const { outcome, ms } = await timed(`
    const runtime = new Runtime().unref();
    runtime.ops.sleep(60_000).then(() => console.log('slept'));
  `);
  t.deepEqual(outcome, { status: 0, signal: null, stdout: '', stderr: '' });
  t.true(ms < patience(10_000), `${ms} ms`);
});

test.serial("a ref'd operation keeps the process until it is done", async (t) => {
  const { outcome, ms } = await timed(`
    const runtime = new Runtime();
    runtime.ops.sleep(400).then(() => console.log('slept'));
  `);
  t.deepEqual(outcome, { status: 0, signal: null, stdout: 'slept\n', stderr: '' });
  t.true(ms >= 400, `${ms} ms`);
});

test.serial('a runtime that is open and idle lets the process end', async (t) => {
  const { outcome } = await timed(`
    const runtime = new Runtime();
    const file = await runtime.fs.open('package.json');
    // Held, so that it is open at the end and not collected before.
    globalThis.held = file;
    await runtime.fs.readFile('package.json');
    console.log(file.fd > 2);
  `);
  t.deepEqual(outcome, { status: 0, signal: null, stdout: 'true\n', stderr: '' });
});

test.serial('nobody who awaits what an ended runtime had leaves status 13 behind', async (t) => {
  const { outcome } = await timed(`
    const runtime = new Runtime();
    const op = runtime.ops.sleep(60_000);
    setTimeout(() => runtime.close(), 20);
    await op.catch((error) => console.log(error.code, op.state));
  `);
  t.deepEqual(outcome, { status: 0, signal: null, stdout: 'ABORT_ERR cancelled\n', stderr: '' });
});
