/** AbortSignal on every operation: before, during and after it. */

import { getEventListeners } from 'node:events';
import { constants } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import { eventually } from './support/counts.ts';
import { inTime, makeFifo, makeFolder, nextTurn, pause, rounds } from './support/fixtures.ts';

const { O_RDONLY, O_RDWR } = constants;

interface Abort extends Error {
  readonly code: string;
  readonly cause?: unknown;
}

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

async function aborted(t: ExecutionContext, operation: PromiseLike<unknown>): Promise<Abort> {
  const promise = inTime(operation, 'the aborted operation');
  return (await t.throwsAsync(promise, { name: 'AbortError', code: 'ABORT_ERR' })) as Abort;
}

test('with a signal that is aborted already, nothing starts', async (t) => {
  await using runtime = new Runtime();
  const { fs, ops } = runtime;
  await using file = await fs.open('package.json');
  const reason = new Error('changed my mind');
  const signal = AbortSignal.abort(reason);
  const before = runtime.metrics();
  const calls: Record<string, PromiseLike<unknown>> = {
    nop: ops.nop({ signal }),
    sleep: ops.sleep(60_000, { signal }),
    open: ops.open('package.json', O_RDONLY, 0, { signal }),
    read: file.read(Buffer.alloc(10), { signal } as never),
    readFile: fs.readFile('package.json', { signal }),
    writeFile: fs.writeFile('/nonexistent/wakering', 'x', { signal }),
    stat: fs.stat('package.json', { signal } as never),
    unlink: ops.unlink('/nonexistent/wakering', { signal }),
    readlink: ops.readlink('package.json', { signal }),
    timeSleep: runtime.time.sleep(60_000, { signal }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await aborted(t, call);
    t.is(error.cause, reason, name);
  }
  await nextTurn();
  t.deepEqual(runtime.metrics(), before);
  t.is(listeners(signal), 0);
});

test('a signal ends an operation that is under way, with its reason as the cause', async (t) => {
  await using runtime = new Runtime();
  const { fs, ops } = runtime;
  const fifo = makeFifo(await makeFolder(t));
  const pipe = await ops.open(fifo, O_RDWR, 0);
  const starts: Record<string, (signal: AbortSignal) => PromiseLike<unknown>> = {
    sleep: (signal) => ops.sleep(60_000, { signal }),
    'time.sleep': (signal) => runtime.time.sleep(60_000, { signal }),
    'read of a pipe': (signal) => ops.read(pipe, Buffer.alloc(16), 0, 16, null, { signal }),
    'readOwned of a pipe': (signal) => ops.readOwned(pipe, 16, null, { signal }),
    'poll of a pipe': (signal) => ops.pollAdd(pipe, 1, { signal }),
    'readFile of a pipe': (signal) => fs.readFile(fifo, { signal, flag: 'r+' }),
  };
  for (const [name, start] of Object.entries(starts)) {
    const controller = new AbortController();
    const operation = start(controller.signal);
    await pause(10);
    t.is(listeners(controller.signal), 1, name);
    const reason = { because: name };
    controller.abort(reason);
    const error = await aborted(t, operation);
    t.is(error.cause, reason, name);
    t.is(error.message, 'The operation was aborted');
    t.is(listeners(controller.signal), 0, name);
  }
  await ops.close(pipe);
  const inFlight = await eventually(
    () => runtime.metrics().inFlight,
    (count) => count === 0,
  );
  t.is(inFlight, 0);
});

test('a signal that aborts after the operation changes nothing', async (t) => {
  await using runtime = new Runtime();
  const controller = new AbortController();
  const { signal } = controller;
  const op = runtime.ops.sleep(0, { signal });
  const value = await op;
  const text = await runtime.fs.readFile('package.json', { signal, encoding: 'utf8' });
  t.is(listeners(signal), 0);
  controller.abort();
  await nextTurn();
  t.is(op.state, 'fulfilled');
  t.is(await op, value);
  t.true(text.startsWith('{'));
  t.is(runtime.metrics().cancels.asked, 0);
});

test('a failed operation leaves no listener', async (t) => {
  await using runtime = new Runtime();
  const { signal } = new AbortController();
  await t.throwsAsync(async () => runtime.ops.open('/nonexistent/wakering', 0, 0, { signal }), {
    code: 'ENOENT',
  });
  // This one fails before it is handed over.
  const zero = 'with\0zero';
  await t.throwsAsync(async () => runtime.ops.open(zero, 0, 0, { signal }), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
  t.is(listeners(signal), 0);
});

test('1,000 operations on one signal: one listener, and none when it has aborted', async (t) => {
  await using runtime = new Runtime({ queueDepth: 256 });
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warn);
  t.teardown(() => process.off('warning', warn));
  const controller = new AbortController();
  const { signal } = controller;
  // Most of them wait for a slot: those end too.
  const all = Array.from({ length: 1000 }, () => runtime.ops.sleep(60_000, { signal }));
  t.is(listeners(signal), 1);
  await pause(20);
  t.is(listeners(signal), 1);
  t.deepEqual([runtime.metrics().inFlight, runtime.metrics().queued], [256, 744]);
  controller.abort();
  const settled = await inTime(Promise.allSettled(all), 'the aborted operations');
  t.true(settled.every(({ status }) => status === 'rejected'));
  t.true(all.every(({ state }) => state === 'cancelled'));
  t.is(listeners(signal), 0);
  const left = await eventually(
    () => runtime.metrics().inFlight + runtime.metrics().queued,
    (count) => count === 0,
  );
  t.is(left, 0);
  t.deepEqual(warnings, []);
});

test('1,000 operations that complete leave no listener', async (t) => {
  await using runtime = new Runtime();
  const { signal } = new AbortController();
  const all = Array.from({ length: 1000 }, (_, index) =>
    index % 2 === 0 ? runtime.ops.nop({ signal }) : runtime.fs.stat('.', { signal } as never),
  );
  t.is(listeners(signal), 1);
  await Promise.all(all);
  t.is(listeners(signal), 0);
});

test('two runtimes share the one listener of a signal', async (t) => {
  await using one = new Runtime();
  await using two = new Runtime();
  const controller = new AbortController();
  const { signal } = controller;
  const both = [one.ops.sleep(60_000, { signal }), two.ops.sleep(60_000, { signal })];
  t.is(listeners(signal), 1);
  controller.abort();
  for (const op of both) await aborted(t, op);
  t.is(listeners(signal), 0);
});

test("a program's own listeners and onabort stay, and run", async (t) => {
  await using runtime = new Runtime();
  const controller = new AbortController();
  const { signal } = controller;
  const heard: string[] = [];
  signal.addEventListener('abort', () => heard.push('listener'));
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- that it stays is the test
  signal.onabort = () => heard.push('onabort');
  const op = runtime.ops.sleep(60_000, { signal });
  controller.abort();
  await aborted(t, op);
  t.deepEqual(heard, ['listener', 'onabort']);
  t.is(listeners(signal), 2);
});

test('an operation started by an abort listener, with the same signal, never starts', async (t) => {
  await using runtime = new Runtime();
  const controller = new AbortController();
  const { signal } = controller;
  const first = runtime.ops.sleep(60_000, { signal });
  const { promise, resolve } = Promise.withResolvers<Abort>();
  signal.addEventListener('abort', () => {
    resolve(aborted(t, runtime.ops.sleep(60_000, { signal })));
  });
  controller.abort();
  await aborted(t, first);
  await promise;
  t.is(runtime.metrics().cancels.asked, 1);
});

test('AbortSignal.timeout ends an operation; the cause is its TimeoutError', async (t) => {
  await using runtime = new Runtime();
  const error = await aborted(t, runtime.ops.sleep(60_000, { signal: AbortSignal.timeout(20) }));
  t.is((error.cause as Error).name, 'TimeoutError');
});

test('AbortSignal.any ends an operation with the reason of the first signal', async (t) => {
  await using runtime = new Runtime();
  const first = new AbortController();
  const second = new AbortController();
  const signal = AbortSignal.any([first.signal, second.signal]);
  const op = runtime.ops.sleep(60_000, { signal });
  second.abort('second');
  const error = await aborted(t, op);
  t.is(error.cause, 'second');
  t.is(listeners(signal), 0);
});

test('cancel on an op with a signal takes its listener away', async (t) => {
  await using runtime = new Runtime();
  const { signal } = new AbortController();
  const op = runtime.ops.sleep(60_000, { signal });
  op.cancel();
  await aborted(t, op);
  const count = await eventually(
    () => listeners(signal),
    (found) => found === 0,
  );
  t.is(count, 0);
});

test('aborting again and again leaves nothing behind', async (t) => {
  await using runtime = new Runtime({ queueDepth: 64 });
  const count = rounds(2000);
  for (let done = 0; done < count; done += 100) {
    const controller = new AbortController();
    const { signal } = controller;
    const batch = Array.from({ length: 100 }, () => runtime.ops.sleep(60_000, { signal }));
    if (done % 200 === 0) await nextTurn();
    controller.abort();
    const settled = await inTime(Promise.allSettled(batch), 'a batch');
    t.true(settled.every(({ status }) => status === 'rejected'));
  }
  const left = await eventually(
    () => runtime.metrics().inFlight,
    (found) => found === 0,
  );
  t.is(left, 0);
  t.is(runtime.metrics().malformed, 0);
});
