/** What an Op promises to whoever awaits, cancels or forgets it. */

import { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId } from 'node:async_hooks';
import { constants } from 'node:fs';
import vm from 'node:vm';
import test from 'ava';
import { Op, Runtime } from 'wakering';
import { eventually } from './support/counts.ts';
import { inTime, makeFolder, nextTurn, rounds } from './support/fixtures.ts';
import { runProgram } from './support/program.ts';

const MISSING = '/nonexistent/wakering';
const runtime = new Runtime();
const { ops } = runtime;

test.after.always(() => runtime.close());

/** An operation that fails with ENOENT. */
function failing(): Op<unknown> {
  return ops.open(MISSING, constants.O_RDONLY, 0);
}

async function codeOf(operation: PromiseLike<unknown>): Promise<unknown> {
  try {
    await operation;
    return 'no error';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

test('awaiting an op twice gives the same value, and the work is done once', async (t) => {
  await using own = new Runtime();
  const op = own.ops.statPath('package.json', true, false);
  const first = await op;
  t.is(await op, first);
  t.is(await Promise.resolve(op), first);
  t.is(own.metrics().completed['Statx'], 1);
});

test('awaiting a failed op twice gives the same error', async (t) => {
  const op = failing();
  const first = await t.throwsAsync(async () => op);
  const second = await t.throwsAsync(async () => op);
  t.is(first, second);
  t.is((first as NodeJS.ErrnoException).code, 'ENOENT');
});

test('then, catch and finally chain as those of a promise', async (t) => {
  t.is(await ops.sleep(0).then(() => 'then'), 'then');
  t.is(
    await ops
      .sleep(0)
      .then(undefined, () => 'unused')
      .then(typeofValue),
    'number',
  );
  t.is(await failing().then(undefined, () => 'second argument'), 'second argument');
  t.is(await failing().catch(() => 'caught'), 'caught');
  t.is(await ops.nop().catch(() => 'unused'), undefined);
  let ran = 0;
  t.is(await ops.nop().finally(() => (ran += 1)), undefined);
  t.is(await codeOf(failing().finally(() => (ran += 1))), 'ENOENT');
  t.is(ran, 2);
  await t.throwsAsync(
    ops.nop().then(() => {
      throw new Error('of the callback');
    }),
    { message: 'of the callback' },
  );
});

function typeofValue(value: unknown): string {
  return typeof value;
}

test('what then returns is a native promise', (t) => {
  const op = ops.nop();
  t.true(op.then(undefined) instanceof Promise);
  t.true(op.catch(undefined) instanceof Promise);
  t.true(op.finally(undefined) instanceof Promise);
  t.is(Object.prototype.toString.call(op), '[object Op]');
});

test('ops go into Promise.all, allSettled, race and any', async (t) => {
  t.deepEqual(await Promise.all([ops.nop(), ops.sleep(1).then(typeofValue)]), [
    undefined,
    'number',
  ]);
  const settled = await Promise.allSettled([ops.nop(), failing()]);
  t.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
  const slow = ops.sleep(60_000);
  t.is(await Promise.race([slow, ops.nop()]), undefined);
  t.is(await Promise.any([failing(), slow, ops.nop()]), undefined);
  slow.cancel();
  t.is(await codeOf(slow), 'ABORT_ERR');
  t.is(await codeOf(Promise.all([ops.nop(), failing()])), 'ENOENT');
});

test('state goes from pending to fulfilled, rejected or cancelled', async (t) => {
  const fulfilled = ops.nop();
  const rejected = failing();
  const cancelled = ops.sleep(60_000);
  t.deepEqual(
    [fulfilled.state, rejected.state, cancelled.state],
    ['pending', 'pending', 'pending'],
  );
  cancelled.cancel();
  await Promise.allSettled([fulfilled, rejected, cancelled]);
  t.deepEqual(
    [fulfilled.state, rejected.state, cancelled.state],
    ['fulfilled', 'rejected', 'cancelled'],
  );
});

test('cancel may be called again, and after completion it changes nothing', async (t) => {
  await using own = new Runtime();
  const op = own.ops.sleep(60_000);
  op.cancel();
  op.cancel();
  t.is(await codeOf(op), 'ABORT_ERR');
  op.cancel();
  t.is(op.state, 'cancelled');
  t.is(own.metrics().cancels.asked, 1);

  const done = own.ops.sleep(0);
  const value = await done;
  done.cancel();
  await nextTurn();
  t.is(done.state, 'fulfilled');
  t.is(await done, value);
  t.is(own.metrics().cancels.asked, 1);
});

test('a cancelled op rejects with an AbortError as Node makes them', async (t) => {
  const op = ops.sleep(60_000);
  op.cancel();
  const error = await t.throwsAsync(async () => op);
  t.is(error?.name, 'AbortError');
  t.is((error as NodeJS.ErrnoException).code, 'ABORT_ERR');
  t.is(error?.message, 'The operation was aborted');
});

test('an op is eager: it is done although nobody awaits it', async (t) => {
  await using own = new Runtime();
  const folder = await makeFolder(t);
  void own.ops.mkdir(`${folder}/made`, 0o777);
  const count = await eventually(
    () => own.metrics().completed['Mkdirat'] ?? 0,
    (done) => done > 0,
  );
  t.is(count, 1);
  t.true((await own.fs.stat(`${folder}/made`)).isDirectory());
});

test('then never calls back within the call, not even where the op has settled', async (t) => {
  const order: string[] = [];
  const op = ops.nop();
  const first = op.then(() => order.push('first'));
  order.push('after then');
  await first;
  const second = op.then(() => order.push('second'));
  order.push('after second then');
  await second;
  t.deepEqual(order, ['after then', 'first', 'after second then', 'second']);
});

test('an op does not settle within the call that starts it', (t) => {
  const aborted = AbortSignal.abort();
  const op = ops.nop({ signal: aborted });
  let settled = false;
  op.then(undefined, () => (settled = true));
  t.false(settled);
});

/** What a process says of its rejections: a line for each event. */
const REPORTING = `
  process.on('unhandledRejection', (reason) => console.log('unhandled', reason.code));
  process.on('rejectionHandled', () => console.log('handled'));
`;

async function rejections(body: string): Promise<string> {
  const source = `
    import { Runtime } from 'wakering';
    import { once } from 'node:events';
    import { setTimeout as pause } from 'node:timers/promises';
    ${REPORTING}
    const runtime = new Runtime();
    const failing = () => runtime.ops.open('${MISSING}', 0, 0);
    ${body}
    await pause(100);
    await runtime.close();
  `;
  const { status, signal, stdout, stderr } = await runProgram(source);
  return status === 0 && stderr === '' ? stdout : `${status} ${signal} ${stdout}${stderr}`;
}

test('a failure that nobody observes is one unhandled rejection', async (t) => {
  t.is(await rejections('failing();'), 'unhandled ENOENT\n');
});

test('a failure that is observed is no unhandled rejection', async (t) => {
  const body = `
    failing().catch(() => {});
    failing().then(undefined, () => {});
    await failing().finally(() => {}).catch(() => {});
    await Promise.allSettled([failing(), failing()]);
    try { await failing(); } catch {}
    { const op = failing(); await op[Symbol.asyncDispose](); }
  `;
  t.is(await rejections(body), '');
});

test('a chain without catch is one unhandled rejection, of the chain', async (t) => {
  t.is(await rejections('failing().then(() => {});'), 'unhandled ENOENT\n');
  t.is(await rejections('failing().finally(() => {});'), 'unhandled ENOENT\n');
});

test('a failure observed ticks after it happened is handled late, as a promise would be', async (t) => {
  const late = (start: string): string => `
    const late = ${start};
    await once(process, 'unhandledRejection');
    await pause(1);
    await late.catch(() => {});
  `;
  const op = await rejections(late('failing()'));
  const native = await rejections(
    late("Promise.reject(Object.assign(new Error(), { code: 'ENOENT' }))"),
  );
  t.is(op, native);
  t.is(op, 'unhandled ENOENT\nhandled\n');
});

test('a failure that is observed within the same turn was never unhandled', async (t) => {
  // Of a closed runtime an operation fails within the turn, whatever the kernel would have done.
  const body = `
    await runtime.close();
    const op = runtime.ops.nop();
    while (op.state === 'pending') await Promise.resolve();
    await op.catch(() => {});
  `;
  t.is(await rejections(body), '');
});

test('a process that observes nothing ends with the error, as Node ends', async (t) => {
  const source = `
    import { Runtime } from 'wakering';
    new Runtime().ops.open('${MISSING}', 0, 0);
  `;
  const { status, stderr } = await runProgram(source);
  t.is(status, 1);
  t.regex(stderr, /ENOENT: no such file or directory, open '\/nonexistent\/wakering'/);
});

test('AsyncLocalStorage is kept in await, then, catch and finally', async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const look = (): void => void seen.push(storage.getStore());
  const op = storage.run('maker', () => ops.sleep(5));
  await storage.run('one', async () => {
    await op;
    look();
    await op.then(look);
    await op.finally(look);
    await failing().catch(look);
    await runtime.fs.readFile('package.json');
    look();
  });
  const outside = op.then(look);
  await outside;
  t.deepEqual(seen, ['one', 'one', 'one', 'one', 'one', undefined]);
});

test('10,000 overlapping ops, each with a store of its own: not one mismatch', async (t) => {
  const storage = new AsyncLocalStorage<number>();
  const count = rounds(10_000);
  let mismatches = 0;
  let callbacks = 0;
  const expect = (index: number): void => {
    callbacks += 1;
    if (storage.getStore() !== index) mismatches += 1;
  };
  const start = async (index: number): Promise<void> => {
    // Inline completions, those that libuv brings, and those of the pool.
    if (index % 3 === 0) await ops.nop();
    else if (index % 3 === 1) await ops.sleep(index % 7);
    else await runtime.fs.stat('package.json');
    expect(index);
    await ops.nop().then(() => expect(index));
    await failing()
      .finally(() => expect(index))
      .catch(() => expect(index));
  };
  const all = Array.from({ length: count }, (_, index) => storage.run(index, start, index));
  await inTime(Promise.all(all), 'the ops', 60_000);
  t.is(callbacks, 4 * count);
  t.is(mismatches, 0);
});

test('a function that is bound to a context runs in it when an op calls it', async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const bound = storage.run('bound', () => AsyncResource.bind(() => storage.getStore()));
  t.is(await ops.sleep(1).then(bound), 'bound');
});

test.serial(
  'a runtime is one asynchronous resource, however many operations it carries',
  async (t) => {
    const made: string[] = [];
    const hook = createHook({
      init(_id, type) {
        if (type === 'Wakering') made.push(type);
      },
    });
    hook.enable();
    const own = new Runtime();
    const ids = Array.from({ length: 100 }, () => own.ops.sleep(1).then(() => executionAsyncId()));
    const different = new Set(await Promise.all(ids));
    await own.close();
    hook.disable();
    t.deepEqual(made, ['Wakering']);
    t.deepEqual([different.size, different.has(0)], [100, false]);
  },
);

test('await using ends an op at the end of its scope, and waits until it is over', async (t) => {
  await using own = new Runtime();
  let op: Op<number>;
  {
    await using scoped = own.ops.sleep(60_000);
    op = scoped;
    t.is(op.state, 'pending');
  }
  t.is(op.state, 'cancelled');
  t.is(
    await eventually(
      () => own.metrics().inFlight,
      (count) => count === 0,
    ),
    0,
  );
});

test('await using lets an op that is done be, and a failed one in peace', async (t) => {
  {
    await using done = ops.nop();
    await done;
    t.is(done.state, 'fulfilled');
  }
  let failed: Op<unknown>;
  {
    await using scoped = failing();
    failed = scoped;
    await scoped.catch(() => {});
  }
  t.is(failed.state, 'rejected');
});

test('an op is a thenable for another realm, which knows nothing of its class', async (t) => {
  const realm = vm.createContext({ op: ops.sleep(1), failing: failing() });
  const kind = await vm.runInContext('(async () => typeof await op)()', realm);
  t.is(kind, 'number');
  const code = await vm.runInContext(
    '(async () => { try { await failing } catch (e) { return e.code } })()',
    realm,
  );
  t.is(code, 'ENOENT');
  const isTheirs = vm.runInContext('Promise.resolve(op) instanceof Promise', realm);
  t.true(isTheirs);
});

test('Ops are made by operations only, and instanceof finds them', (t) => {
  t.true(ops.nop() instanceof Op);
  t.deepEqual(Object.keys(ops.nop()), []);
});
