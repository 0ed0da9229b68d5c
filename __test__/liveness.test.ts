/** Pending operations keep a process alive; those of an unref'd runtime do not. */

import test from 'ava';
import type { ExecutionContext } from 'ava';
import { makeFifo, makeFolder } from './support/fixtures.ts';
import { runProgram } from './support/program.ts';

interface Life {
  /** What the program prints. */
  readonly stdout: string;
  /** Exit status. */
  readonly status: number;
  /** How long it lived, in milliseconds. */
  readonly ms: number;
}

/** A program with a `runtime` and `ops`; it says how long it lived after its start. */
async function live(t: ExecutionContext, body: string): Promise<Life> {
  const source = `
    import { Runtime } from 'wakering';
    const started = performance.now();
    process.on('exit', () => console.log(Math.round(performance.now() - started)));
    const runtime = new Runtime();
    const { ops } = runtime;
    ${body}
  `;
  const { status, signal, stdout, stderr } = await runProgram(source);
  t.is(stderr, '');
  t.is(signal, null);
  const lines = stdout.trimEnd().split('\n');
  const ms = Number(lines.pop());
  return { stdout: lines.join('\n'), status: status ?? -1, ms };
}

/** Long enough to tell from a process that did not wait for an operation of a minute. */
const AT_ONCE_MS = process.env['WAKERING_SLOW'] === '1' ? 50_000 : 20_000;

test('a pending operation keeps the process alive until it settles', async (t) => {
  const life = await live(t, "ops.sleep(300).then(() => console.log('slept'));");
  t.is(life.stdout, 'slept');
  t.is(life.status, 0);
  t.true(life.ms >= 300, `${life.ms} ms`);
});

test('a runtime without operations keeps nothing alive', async (t) => {
  const life = await live(t, '');
  t.is(life.status, 0);
  t.true(life.ms < AT_ONCE_MS);
});

test('an operation of an unref’d runtime does not keep the process alive', async (t) => {
  const life = await live(
    t,
    "runtime.unref(); ops.sleep(60_000).then(() => console.log('slept'));",
  );
  t.is(life.stdout, '');
  t.is(life.status, 0);
  t.true(life.ms < AT_ONCE_MS, `${life.ms} ms`);
});

test('ref makes operations keep the process alive again', async (t) => {
  const body = "runtime.unref().ref(); ops.sleep(300).then(() => console.log('slept'));";
  const life = await live(t, body);
  t.is(life.stdout, 'slept');
  t.true(life.ms >= 300, `${life.ms} ms`);
});

test('each operation keeps to what was said when it was started', async (t) => {
  const body = `
    runtime.unref();
    ops.sleep(60_000).then(() => console.log('never'));
    runtime.ref();
    ops.sleep(300).then(() => console.log('slept'));
  `;
  const life = await live(t, body);
  t.is(life.stdout, 'slept');
  t.true(life.ms >= 300 && life.ms < AT_ONCE_MS, `${life.ms} ms`);
});

test('unref’d operations settle as long as something else keeps the process alive', async (t) => {
  const body = `
    runtime.unref();
    ops.sleep(50).then(() => console.log('slept'));
    setTimeout(() => console.log('timer'), 500);
  `;
  const life = await live(t, body);
  t.is(life.stdout, 'slept\ntimer');
});

test('a pending read of a pipe keeps the process alive, and its cancel lets it go', async (t) => {
  const fifo = makeFifo(await makeFolder(t));
  const body = `
    const pipe = await ops.open(${JSON.stringify(fifo)}, 2, 0);
    const read = ops.readOwned(pipe, 10, null);
    read.catch((error) => console.log(error.code));
    setTimeout(() => read.cancel(), 300).unref();
  `;
  const life = await live(t, body);
  t.is(life.stdout, 'ABORT_ERR');
  t.is(life.status, 0);
  t.true(life.ms >= 290, `${life.ms} ms`);
});

test('operations of the pool and of the worker loop keep the process alive', async (t) => {
  const body = `
    runtime.fs.readdir('.').then((names) => console.log(names.includes('package.json')));
    const { tmpdir } = await import('node:os');
    const path = (await runtime.fs.mkdtemp(tmpdir() + '/wakering-live-')) + '/large';
    runtime.fs.writeFile(path, Buffer.alloc(2 << 20, 'x'))
      .then(() => runtime.fs.readFile(path))
      .then((bytes) => console.log(bytes.length))
      .then(() => runtime.fs.rm(path.slice(0, -6), { recursive: true }));
  `;
  const life = await live(t, body);
  t.is(life.stdout, 'true\n2097152');
  t.is(life.status, 0);
});

test('an operation that waits for a slot keeps the process alive', async (t) => {
  const body = `
    const small = new Runtime({ queueDepth: 1 });
    for (let i = 0; i < 5; i += 1) small.ops.sleep(20).then(() => console.log(i));
  `;
  const life = await live(t, body);
  t.is(life.stdout, '0\n1\n2\n3\n4');
});

test('process.exit with operations of every kind pending ends at once, with its status', async (t) => {
  const fifo = makeFifo(await makeFolder(t));
  const body = `
    const pipe = await ops.open(${JSON.stringify(fifo)}, 2, 0);
    for (let i = 0; i < 100; i += 1) ops.sleep(60_000);
    ops.readOwned(pipe, 10, null);
    runtime.fs.readdir('/');
    runtime.fs.readFile(process.execPath);
    setImmediate(() => process.exit(7));
  `;
  const life = await live(t, body);
  t.is(life.status, 7);
  t.true(life.ms < AT_ONCE_MS, `${life.ms} ms`);
});
