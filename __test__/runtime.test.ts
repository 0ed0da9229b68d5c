/** The life of a runtime: side by side, in Workers, and its end. */

import { once } from 'node:events';
import { constants, readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { defaultRuntime, Runtime } from 'wakering';
import type { Op } from 'wakering';
import * as wakeringFs from 'wakering/fs';
import { descriptors, eventually, newDescriptors, threadNames } from './support/counts.ts';
import { inTime, makeFifo, makeFolder } from './support/fixtures.ts';
import { runProgram } from './support/program.ts';

const { O_RDONLY, O_RDWR } = constants;

function ours(): string[] {
  return threadNames().filter((name) => name.startsWith('wakering-'));
}

test('await using closes a runtime at the end of its scope', async (t) => {
  let runtime: Runtime;
  {
    await using scoped = new Runtime();
    runtime = scoped;
    await scoped.ops.nop();
  }
  await t.throwsAsync(async () => runtime.ops.nop(), { code: 'ERR_WAKERING_CLOSED' });
});

test('close settles everything that is pending, and what waits in line', async (t) => {
  const folder = await makeFolder(t);
  const fifo = makeFifo(folder);
  const runtime = new Runtime({ queueDepth: 16 });
  const { fs, ops } = runtime;
  const pipe = await ops.open(fifo, O_RDWR, 0);
  const file = await fs.open(`${folder}/file`, 'w+');
  const pending: PromiseLike<unknown>[] = [
    ops.sleep(60_000),
    ops.read(pipe, Buffer.alloc(16), 0, 16, null),
    ops.readOwned(pipe, 16, null),
    ops.pollAdd(pipe, 1),
    file.write(Buffer.alloc(100_000, 'x'), 0, 100_000, 0),
    fs.writeFile(`${folder}/other`, Buffer.alloc(1 << 20)),
    fs.readFile('package.json'),
    fs.readdir('.', { recursive: false }),
    fs.stat('.'),
    // More than there is room for.
    ...Array.from({ length: 50 }, () => ops.sleep(60_000)),
  ];
  const settling = Promise.allSettled(pending);
  await inTime(runtime.close(), 'closing', 5000);
  const settled = await inTime(settling, 'what was pending', 5000);
  for (const result of settled) {
    if (result.status === 'fulfilled') continue;
    const { code } = result.reason as NodeJS.ErrnoException;
    t.true(code === 'ABORT_ERR' || code === 'ERR_WAKERING_CLOSED', String(result.reason));
  }
  const rejected = settled.filter(({ status }) => status === 'rejected');
  t.true(rejected.length >= 54, `${rejected.length} of ${settled.length} were ended`);
});

test('everything that is called after close fails typed', async (t) => {
  const runtime = new Runtime();
  const { fs, ops } = runtime;
  const file = await fs.open('package.json');
  await runtime.close();
  const closed = { code: 'ERR_WAKERING_CLOSED', message: /the runtime is closed/ };
  const calls: Record<string, () => PromiseLike<unknown>> = {
    nop: () => ops.nop(),
    sleep: () => ops.sleep(1),
    open: () => ops.open('package.json', O_RDONLY, 0),
    'time.sleep': () => runtime.time.sleep(1),
    readFile: () => fs.readFile('package.json'),
    writeFile: () => fs.writeFile('/nonexistent/wakering', 'x'),
    stat: () => fs.stat('.'),
    readdir: () => fs.readdir('.'),
    mkdir: () => fs.mkdir('/nonexistent/wakering/x', { recursive: true }),
    rm: () => fs.rm('/nonexistent/wakering', { recursive: true }),
    'read of an open file': () => file.read(Buffer.alloc(10), 0, 10, 0),
  };
  for (const [name, call] of Object.entries(calls)) {
    await t.throwsAsync(async () => call(), closed, name);
  }
  t.throws(() => runtime.lease(100), closed);
  t.throws(() => runtime.capabilities(), closed);
});

test('a FileHandle may be closed after its runtime, which has closed it already', async (t) => {
  const runtime = new Runtime();
  const file = await runtime.fs.open('package.json');
  const { fd } = file;
  await runtime.close();
  await file.close();
  t.is(file.fd, -1);
  t.true(fd >= 0);
  await file.close();
  {
    const other = new Runtime();
    await using late = await other.fs.open('package.json');
    t.true(late.fd >= 0);
    await other.close();
  }
});

test('calls made while close is under way fail typed too', async (t) => {
  const runtime = new Runtime();
  const op = runtime.ops.sleep(60_000);
  const observed = t.throwsAsync(async () => op, { code: 'ABORT_ERR' });
  const closing = runtime.close();
  await t.throwsAsync(async () => runtime.ops.nop(), { code: 'ERR_WAKERING_CLOSED' });
  await closing;
  await observed;
});

test('close may be called again, at once and later', async (t) => {
  const runtime = new Runtime();
  void runtime.ops.sleep(60_000).catch(() => {});
  await inTime(Promise.all([runtime.close(), runtime.close()]), 'closing twice');
  await runtime.close();
  await runtime[Symbol.asyncDispose]();
  t.pass();
});

test('metrics of a closed runtime are its last', async (t) => {
  const runtime = new Runtime();
  await Promise.all(Array.from({ length: 10 }, () => runtime.ops.nop()));
  await runtime.close();
  const metrics = runtime.metrics();
  t.is(metrics.completed['Nop'], 10);
  t.is(metrics.inFlight, 0);
});

test.serial('after close, descriptors and threads are those of before', async (t) => {
  const folder = await makeFolder(t);
  // What the first runtime of a process keeps is no leak.
  await new Runtime().close();
  const before = descriptors();
  for (let round = 0; round < 5; round += 1) {
    const runtime = new Runtime();
    // Files that the program forgets, the pool, the worker loop, a timer.
    await runtime.fs.open('package.json');
    await runtime.ops.open('package.json', O_RDONLY, 0);
    await runtime.fs.writeFile(`${folder}/large`, Buffer.alloc(1 << 20));
    await runtime.fs.readdir('.');
    await runtime.ops.sleep(1);
    t.true(ours().length > 0, 'the pool has a thread');
    await runtime.close();
  }
  t.deepEqual(await newDescriptors(before), []);
  t.deepEqual(await eventually(ours, (names) => names.length === 0), []);
});

test('several runtimes live side by side, and each has its own counts and end', async (t) => {
  const runtimes = Array.from({ length: 8 }, () => new Runtime({ queueDepth: 64 }));
  const expected = await wakeringFs.readFile('package.json', 'utf8');
  const rounds = runtimes.map(async (runtime, index) => {
    for (let i = 0; i <= index; i += 1) await runtime.ops.nop();
    return runtime.fs.readFile('package.json', 'utf8');
  });
  for (const text of await Promise.all(rounds)) t.is(text, expected);
  const [first, ...rest] = runtimes;
  await first?.close();
  for (const [index, runtime] of rest.entries()) {
    t.is(runtime.metrics().completed['Nop'], index + 2);
    t.is(await runtime.fs.readFile('package.json', 'utf8'), expected);
  }
  await Promise.all(rest.map((runtime) => runtime.close()));
});

test('a file of one runtime is no file of another, and stays usable in its own', async (t) => {
  await using one = new Runtime();
  await using two = new Runtime();
  const file = await one.ops.open('package.json', O_RDONLY, 0);
  // The numbers of this one are the same: without a check, its content would be read.
  const other = await two.ops.open('README.md', O_RDONLY, 0);
  t.deepEqual([other.index, other.generation], [file.index, file.generation]);
  const wrong = { code: 'ERR_WAKERING_WRONG_LOOP', message: /belongs to another loop/ };
  const { ops } = two;
  t.throws(() => ops.read(file, Buffer.alloc(10), 0, 10, 0), wrong);
  t.throws(() => ops.write(file, Buffer.alloc(10), 0, 10, 0), wrong);
  t.throws(() => ops.readOwned(file, 10, 0), wrong);
  t.throws(() => ops.fsync(file), wrong);
  t.throws(() => ops.ftruncate(file, 0), wrong);
  t.throws(() => ops.statFile(file, false), wrong);
  t.throws(() => ops.close(file), wrong);
  const lookalike = { ...other } as typeof other;
  t.throws(() => ops.close(lookalike), { code: 'ERR_INVALID_ARG_TYPE' });
  const bytes = await one.ops.readOwned(file, 10, 0);
  t.deepEqual(bytes, readFileSync('package.json').subarray(0, 10));
  t.is(await ops.close(other), 0);
});

test.serial('the default runtime is one for each thread, and serves wakering/fs', async (t) => {
  const runtime = defaultRuntime();
  t.is(defaultRuntime(), runtime);
  const before = runtime.metrics().completed['Statx'] ?? 0;
  await wakeringFs.stat('package.json');
  t.is(runtime.metrics().completed['Statx'], before + 1);
});

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const main = async () => {
    const { defaultRuntime, Runtime } = await import(workerData.wakering);
    const fs = await import(workerData.fs);
    const runtime = new Runtime({ queueDepth: 32 });
    const own = await runtime.fs.readFile(workerData.path, 'utf8');
    const shared = await fs.readFile(workerData.path, 'utf8');
    const passed = await runtime.ops.sleep(5);
    const nops = await Promise.all(Array.from({ length: 200 }, () => runtime.ops.nop()));
    parentPort.postMessage({ own, shared, slept: passed >= 5, nops: nops.length });
  };
  main();
`;

function startWorker(path: string): Worker {
  const wakering = import.meta.resolve('wakering');
  const fs = import.meta.resolve('wakering/fs');
  return new Worker(WORKER, { eval: true, workerData: { wakering, fs, path } });
}

test('each Worker has runtimes of its own, all at once', async (t) => {
  const folder = await makeFolder(t);
  const workers = Array.from({ length: 4 }, (_, index) => {
    const path = `${folder}/${index}`;
    writeFileSync(path, `content ${index}`);
    return startWorker(path);
  });
  const answers = workers.map(async (worker) => {
    // Both may come in the same turn.
    const both = Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    const [[answer], [code]] = (await both) as [[unknown], [number]];
    return { answer, code };
  });
  const ended = await inTime(Promise.all(answers), 'the Workers', 20_000);
  for (const [index, { answer, code }] of ended.entries()) {
    const text = `content ${index}`;
    t.deepEqual(answer, { own: text, shared: text, slept: true, nops: 200 });
    t.is(code, 0);
  }
});

test('a process with a closed runtime ends by itself, with status 0', async (t) => {
  const source = `
    import { Runtime } from 'wakering';
    const runtime = new Runtime();
    const ops = Array.from({ length: 2000 }, () => runtime.ops.sleep(60_000));
    const settled = Promise.allSettled(ops);
    await runtime.close();
    const codes = new Set((await settled).map(({ reason }) => reason.code));
    console.log([...codes].toSorted().join());
  `;
  const { status, stdout, stderr } = await runProgram(source);
  t.is(stderr, '');
  t.is(stdout, 'ABORT_ERR,ERR_WAKERING_CLOSED\n');
  t.is(status, 0);
});

test('a runtime that is never closed, and one that is forgotten, keep nothing from ending', async (t) => {
  const source = `
    import { Runtime } from 'wakering';
    for (let i = 0; i < 20; i += 1) {
      let runtime = new Runtime({ queueDepth: 16 });
      await runtime.fs.readFile('package.json');
      runtime = undefined;
      globalThis.gc();
    }
    console.log('done');
  `;
  const { status, stdout, stderr } = await runProgram(source, ['--expose-gc']);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'done\n', stderr: '' });
});

test('an op of a runtime that was collected still settles', async (t) => {
  const start = (): Op<number> => new Runtime().ops.sleep(30);
  const op = start();
  (globalThis as { gc?: () => void }).gc?.();
  const passed = await inTime(op, 'the op');
  t.true(passed >= 30);
});

test('exceptions in callbacks do not stop the settling of the others', async (t) => {
  const source = `
    import { Runtime } from 'wakering';
    process.on('uncaughtException', (error) => console.log(error.message));
    const runtime = new Runtime();
    process.on('unhandledRejection', (error) => console.log('rejected', error.message));
    const ops = Array.from({ length: 10 }, (_, i) => runtime.ops.sleep(1).then(() => {
      if (i === 3) queueMicrotask(() => { throw new Error('thrown'); });
      if (i === 5) throw new Error('in then');
      return i;
    }));
    ops[5].catch(() => {});
    const settled = await Promise.allSettled(ops);
    console.log(settled.filter(({ status }) => status === 'fulfilled').length);
    await runtime.close();
  `;
  const { status, stdout, stderr } = await runProgram(source);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'thrown\n9\n', stderr: '' });
});
