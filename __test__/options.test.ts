/** Options of a runtime: what is refused, in which words, and what the environment says. */

import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import type { RuntimeOptions } from 'wakering';
import { runProgram } from './support/program.ts';

interface Refusal {
  readonly options: unknown;
  readonly code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE';
  readonly message: RegExp;
}

const DEPTH = /"options\.queueDepth" .* >= 1 && <= 32768\. Received /;
const THREADS = /"options\.poolThreads" .* >= 1 && <= 256\. Received /;
const IDLE = /"options\.sqpoll\.idle" .* >= 1 && <= 60000\. Received /;
const WEIGHT = /"options\.sqpoll\.weight" .* >= 0 && <= 1000000\. Received /;
const CPU = /"options\.sqpoll\.cpu" .* >= 0 && <= \d+\. Received /;

const refusals: Record<string, Refusal> = {
  'no object': { options: 5, code: 'ERR_INVALID_ARG_TYPE', message: /"options" .* type object/ },
  null: { options: null, code: 'ERR_INVALID_ARG_TYPE', message: /"options" .* type object/ },
  'an unknown option': {
    options: { queueDept: 5 },
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.queueDept' is no option; there are driver, queueDepth, poolThreads/,
  },
  'an unknown driver': {
    options: { driver: 'epoll' },
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.driver' must be one of: 'auto', 'uring', 'poll'\. Received 'epoll'/,
  },
  'a driver that is no text': {
    options: { driver: 1 },
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.driver' must be one of/,
  },
  'queueDepth 0': { options: { queueDepth: 0 }, code: 'ERR_OUT_OF_RANGE', message: DEPTH },
  'queueDepth -1': { options: { queueDepth: -1 }, code: 'ERR_OUT_OF_RANGE', message: DEPTH },
  'queueDepth 32,769': {
    options: { queueDepth: 32_769 },
    code: 'ERR_OUT_OF_RANGE',
    message: DEPTH,
  },
  'queueDepth 1.5': { options: { queueDepth: 1.5 }, code: 'ERR_OUT_OF_RANGE', message: DEPTH },
  'queueDepth NaN': { options: { queueDepth: NaN }, code: 'ERR_OUT_OF_RANGE', message: DEPTH },
  'queueDepth as text': {
    options: { queueDepth: '64' },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.queueDepth" .* type number\. Received type string \('64'\)/,
  },
  'poolThreads 0': { options: { poolThreads: 0 }, code: 'ERR_OUT_OF_RANGE', message: THREADS },
  'poolThreads 257': { options: { poolThreads: 257 }, code: 'ERR_OUT_OF_RANGE', message: THREADS },
  'registerBuffers 1': {
    options: { registerBuffers: 1 },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.registerBuffers" .* type boolean/,
  },
  'sqpoll true': {
    options: { sqpoll: true },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.sqpoll" .* type object/,
  },
  'sqpoll null': {
    options: { sqpoll: null },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.sqpoll" .* type object/,
  },
  'an unknown option of sqpoll': {
    options: { sqpoll: { core: 1 } },
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.sqpoll\.core' is no option; there are cpu, idle, weight, share/,
  },
  'sqpoll.idle 0': { options: { sqpoll: { idle: 0 } }, code: 'ERR_OUT_OF_RANGE', message: IDLE },
  'sqpoll.idle that is no number': {
    options: { sqpoll: { idle: 'often' } },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.sqpoll\.idle" .* type number\. Received type string \('often'\)/,
  },
  'sqpoll.idle 60,001': {
    options: { sqpoll: { idle: 60_001 } },
    code: 'ERR_OUT_OF_RANGE',
    message: IDLE,
  },
  'sqpoll.weight -1': {
    options: { sqpoll: { idle: 'auto', weight: -1 } },
    code: 'ERR_OUT_OF_RANGE',
    message: WEIGHT,
  },
  'sqpoll.weight 0.5': {
    options: { sqpoll: { idle: 'auto', weight: 0.5 } },
    code: 'ERR_OUT_OF_RANGE',
    message: WEIGHT,
  },
  'sqpoll.weight that is no number': {
    options: { sqpoll: { idle: 'auto', weight: 'much' } },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.sqpoll\.weight" .* type number\. Received type string \('much'\)/,
  },
  'sqpoll.weight without auto': {
    options: { sqpoll: { idle: 20, weight: 100 } },
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.sqpoll\.weight' is of no use without options\.sqpoll\.idle: 'auto'/,
  },
  'sqpoll.cpu -1': { options: { sqpoll: { cpu: -1 } }, code: 'ERR_OUT_OF_RANGE', message: CPU },
  'sqpoll.cpu 0.5': { options: { sqpoll: { cpu: 0.5 } }, code: 'ERR_OUT_OF_RANGE', message: CPU },
  'sqpoll.share no boolean': {
    options: { sqpoll: { share: 'yes' } },
    code: 'ERR_INVALID_ARG_TYPE',
    message: /"options\.sqpoll\.share" .* type boolean/,
  },
};

for (const [name, { options, code, message }] of Object.entries(refusals)) {
  test(`refused: ${name}`, (t) => {
    const expected = code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError;
    t.throws(() => new Runtime(options as RuntimeOptions), {
      instanceOf: expected,
      code,
      message,
    });
  });
}

test('the ends of each range are accepted, and so is undefined', async (t) => {
  const accepted: RuntimeOptions[] = [
    {},
    { driver: undefined, queueDepth: undefined, poolThreads: undefined, sqpoll: undefined },
    { queueDepth: 1, poolThreads: 1, registerBuffers: false },
    { queueDepth: 4096, poolThreads: 256, registerBuffers: true },
  ];
  for (const options of accepted) {
    await using runtime = new Runtime(options);
    const { size } = await runtime.fs.stat('package.json');
    t.true(size > 0);
  }
});

test('a runtime of depth 1 carries many operations, one after the other', async (t) => {
  await using runtime = new Runtime({ queueDepth: 1 });
  const all = Array.from({ length: 100 }, () => runtime.fs.readFile('package.json', 'utf8'));
  const texts = new Set(await Promise.all(all));
  t.is(texts.size, 1);
  t.true(runtime.metrics().waitedForSlot > 0);
});

/** Runs `body` with `WAKERING_DRIVER` set; a variable belongs to the process: one at a time. */
async function withDriver(value: string | undefined, body: () => Promise<void>): Promise<void> {
  const before = process.env['WAKERING_DRIVER'];
  const set = (to: string | undefined): void => {
    if (to === undefined) delete process.env['WAKERING_DRIVER'];
    else process.env['WAKERING_DRIVER'] = to;
  };
  set(value);
  try {
    await body();
  } finally {
    set(before);
  }
}

async function driverUnder(options: RuntimeOptions): Promise<string> {
  await using runtime = new Runtime(options);
  return runtime.capabilities().driver;
}

async function driverIs(
  t: ExecutionContext,
  value: string | undefined,
  options: RuntimeOptions,
  expected: string,
): Promise<void> {
  await withDriver(value, async () => {
    t.is(await driverUnder(options), expected);
  });
}

test.serial('WAKERING_DRIVER takes the place of auto, and of nothing else', async (t) => {
  let automatic = '';
  await withDriver(undefined, async () => void (automatic = await driverUnder({})));
  t.true(automatic === 'uring' || automatic === 'poll');
  await driverIs(t, '', {}, automatic);
  await driverIs(t, 'auto', {}, automatic);
  await driverIs(t, 'poll', {}, 'poll');
  await driverIs(t, 'poll', { driver: 'auto' }, 'poll');
  await driverIs(t, automatic, { driver: 'poll' }, 'poll');
  if (automatic === 'uring') {
    await driverIs(t, 'uring', {}, 'uring');
    await driverIs(t, 'poll', { driver: 'uring' }, 'uring');
  } else {
    t.log('only run on the poll driver: io_uring is refused here');
  }
});

test.serial('a WAKERING_DRIVER that makes no sense is named, with what there is', async (t) => {
  await withDriver('epoll', async () => {
    t.throws(() => new Runtime(), {
      instanceOf: TypeError,
      code: 'ERR_INVALID_ARG_VALUE',
      message: /'WAKERING_DRIVER' must be one of: 'auto', 'uring', 'poll'\. Received 'epoll'/,
    });
    await using runtime = new Runtime({ driver: 'poll' });
    t.is(runtime.capabilities().driver, 'poll');
  });
});

test('with a bad WAKERING_DRIVER the import works, and each operation rejects', async (t) => {
  const source = `
    import { readFile } from 'wakering/fs';
    for (let round = 0; round < 2; round += 1) {
      await readFile('package.json').catch((error) => console.log(error.code));
    }
  `;
  const { stdout, stderr } = await runProgram(source, [], { env: { WAKERING_DRIVER: 'aio' } });
  t.is(stdout + stderr, 'ERR_INVALID_ARG_VALUE\nERR_INVALID_ARG_VALUE\n');
});

test('a refused runtime leaves no descriptor and no thread behind', async (t) => {
  const source = `
    import { readdirSync } from 'node:fs';
    import { Runtime } from 'wakering';
    const open = () => readdirSync('/proc/self/fd').length + readdirSync('/proc/self/task').length;
    await new Runtime().close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = open();
    for (let i = 0; i < 50; i += 1) {
      try { new Runtime({ driver: 'poll', sqpoll: { cpu: -1 } }); } catch {}
      try { new Runtime({ driver: 'uring', sqpoll: { cpu: 4095 } }); } catch {}
    }
    let after = 0;
    for (let i = 0; i < 100; i += 1) {
      after = open();
      if (after <= before) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    console.log(after <= before ? 'same' : before + ' ' + after);
  `;
  const { stdout, stderr } = await runProgram(source);
  t.is(stdout + stderr, 'same\n');
});
