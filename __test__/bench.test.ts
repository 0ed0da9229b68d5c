/** The benches run, and say what they measured. How fast anything is does not matter here. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { barsFor } from './bench/bars.ts';
import { compare, ratioOf, spreadOf } from './bench/measure.ts';
import type { Contender } from './bench/measure.ts';
import type { Report, RowResult } from './bench/results.ts';
import { rowNames } from './bench/rows.ts';
import { judge } from './bench/verdict.ts';
import { nodeKit } from './bench/kits-node.ts';
import { WrongContent } from './bench/place.ts';
import type { Place } from './bench/place.ts';
import { workFor } from './bench/works/index.ts';
import type { WorkName } from './bench/works/index.ts';
import type { Kit, KitFs } from './bench/works/work.ts';
import { makeFolder } from './support/fixtures.ts';
import { projectRoot, run } from './support/launch.ts';
import type { Outcome } from './support/launch.ts';

function program(name: string, args: readonly string[]): Promise<Outcome> {
  const path = join(projectRoot, '.build', '__test__', 'bench', `${name}.js`);
  return run(
    { command: process.execPath, args: ['--expose-gc', path, ...args] },
    { timeoutMs: 120_000 },
  );
}

async function bench(t: ExecutionContext, args: readonly string[]): Promise<Report> {
  const folder = await makeFolder(t);
  const { status, stdout, stderr } = await program('main', ['--folder', folder, ...args]);
  t.is(status, 0, stderr);
  const written = /^written to (\S+)\.md and /m.exec(stdout)?.[1];
  t.truthy(written, stdout);
  const path = join(projectRoot, `${written}.json`);
  t.true(stdout.includes(readFileSync(join(projectRoot, `${written}.md`), 'utf8')));
  return JSON.parse(readFileSync(path, 'utf8')) as Report;
}

test.serial('some rows: a table, the bars, and every round as JSON', async (t) => {
  const report = await bench(t, ['--quick', '--rows', 'nop,read-32']);
  t.deepEqual(
    report.rows.map(({ row }) => row),
    ['read-32', 'nop-1', 'nop-32', 'nop-128'],
  );
  for (const { measurements, row } of report.rows) {
    for (const { contender, perSecond, rounds } of measurements) {
      t.true(perSecond > 0 && rounds.every((value) => value > 0), `${row}, ${contender}`);
      t.is(rounds.length, report.effort.rounds, `${row}, ${contender}`);
    }
  }
  const took = (row: string): string[] =>
    report.rows.find((other) => other.row === row)?.measurements.map((m) => m.contender) ?? [];
  t.deepEqual(took('nop-128'), ['node', 'wakering-op']);
  const inProcess = ['node', 'node-callback', 'wakering', 'wakering-lease', 'wakering-op'];
  for (const name of inProcess) t.true(took('read-32').includes(name), name);
  // Who is missing is named, with what to do.
  const [read] = report.rows;
  const all = [...took('read-32'), ...(read?.absent.map(({ contender }) => contender) ?? [])];
  t.deepEqual(all.toSorted(), [...inProcess, 'bun', 'fio', 'node-newest'].toSorted());
  const judged = new Set(report.verdicts.map(({ bar }) => bar.row));
  const wanted = barsFor(report.host.driver, report.host.fileSystem).map(({ row }) => row);
  t.deepEqual(
    [...judged],
    [...new Set(wanted)].filter((row) => /^read-32|^nop-128/.test(row)),
  );
});

test.serial('on the poll driver its own bars hold, and the ring takes no part', async (t) => {
  const report = await bench(t, ['--quick', '--rows', 'ring-1', '--driver', 'poll']);
  t.is(report.host.driver, 'poll');
  t.deepEqual(
    report.rows[0]?.absent.map(({ why }) => why),
    ['the driver is poll', 'the driver is poll'],
  );
});

test.serial('a profile of a row, and the functions that its time went to', async (t) => {
  const folder = await makeFolder(t);
  const args = ['nop-32', '--seconds', '0.2', '--folder', folder];
  const { status, stdout, stderr } = await program('profile', args);
  t.is(status, 0, stderr);
  t.regex(stdout, /\| +self \| +ms \| function/);
  const written = /^written to (\S+\.cpuprofile)$/m.exec(stdout)?.[1] ?? '';
  const path = join(projectRoot, written);
  t.true(existsSync(path), stdout);
  const { nodes } = JSON.parse(readFileSync(path, 'utf8')) as { nodes: unknown[] };
  t.true(nodes.length > 1);
  rmSync(path);
});

test('what is wrong on the command line is named, with what there is', async (t) => {
  const row = await program('main', ['--rows', 'nosuch']);
  t.is(row.status, 1);
  t.regex(row.stderr, /--rows nosuch: there is no such row; --list/);
  const driver = await program('main', ['--driver', 'iocp']);
  t.regex(driver.stderr, /--driver iocp: there are auto, uring, poll/);
  const profile = await program('profile', ['nosuch']);
  t.regex(profile.stderr, /there is no row named 'nosuch'/);
  const list = await program('main', ['--list']);
  t.deepEqual(list.stdout.trim().split('\n'), rowNames());
});

test('every bar names a row of the table', (t) => {
  for (const [driver, fileSystem] of [
    ['uring', 'ext4'],
    ['poll', 'ext4'],
    ['uring', 'overlay'],
  ] as const) {
    const bars = barsFor(driver, fileSystem);
    t.true(bars.length > 0);
    for (const { row } of bars) t.true(rowNames().includes(row), row);
  }
});

test('contenders are measured by turns, and compared round by round', async (t) => {
  const order: string[] = [];
  const contender = (name: string, perSecond: number): Contender => ({
    name,
    async measure(operations) {
      order.push(name);
      return { operations, seconds: operations / perSecond, cpuMicros: operations };
    },
    async close() {},
  });
  const both = [contender('slow', 100), contender('fast', 300)];
  const [slow, fast] = await compare(both, { rounds: 4, ms: 10 });
  t.is(Math.round(ratioOf(fast?.rounds ?? [], slow?.rounds ?? [])), 3);
  t.is(spreadOf([1, 1, 1, 1]), 0);
  t.deepEqual(order.slice(-8).toSorted(), [...Array(4).fill('fast'), ...Array(4).fill('slow')]);
  t.not(order.at(-2), order.at(-1));
});

test('a bar is met, met with its aim, not met, or not run', (t) => {
  const measured = (contender: string, rounds: number[]): RowResult['measurements'][0] => ({
    contender,
    rounds,
    perSecond: rounds[0] ?? 0,
    spread: 0,
    cpuMicros: 1,
  });
  const row: RowResult = {
    row: 'read-1',
    family: 'read',
    depth: 1,
    seconds: 1,
    measurements: [measured('node', [100, 200]), measured('wakering', [300, 600])],
    absent: [{ contender: 'bun', why: 'not here' }],
    notes: [],
  };
  const common = { row: 'read-1', subject: 'wakering' } as const;
  const bars = [
    { ...common, over: 'newest', must: 3, aim: 4 },
    { ...common, over: 'newest', must: 2, aim: 3 },
    { ...common, over: 'node', must: 3.1 },
    { ...common, over: 'bun', must: 1 },
    { ...common, unit: 'ns of CPU', must: 999 },
  ] as const;
  const verdicts = judge(bars, [row], []);
  t.deepEqual(
    verdicts.map(({ verdict }) => verdict),
    ['met', 'met, and the aim', 'not met', 'not run', 'not met'],
  );
  t.is(verdicts[3]?.why, 'bun: not here');
});

const MIB = 1 << 20;
const OPERATIONS = 200;

/** A kit that claims to have done what it was asked for. */
function liar(honest: Kit): Kit {
  const idle = async (): Promise<void> => {};
  const lies: Partial<KitFs> = {
    open: async () => ({ read: idle, write: idle, close: idle }),
    stat: async () => ({ size: 1 }),
    readFile: async () => Buffer.alloc(4096),
    copyFile: async (_from, to) => writeFileSync(to, Buffer.alloc(MIB)),
    readdir: async () => [],
  };
  return {
    ...honest,
    fs: lies as KitFs,
    sleep: idle,
    createReadStream: async function* stream() {
      yield Buffer.alloc(MIB);
    },
  };
}

const LOOKED_AT: readonly WorkName[] = [
  'read',
  'write',
  'stat',
  'absent',
  'readSmall',
  'walk',
  'stream',
  'readLarge',
  'copy',
  'sleep',
];

for (const name of LOOKED_AT) {
  test(`the work '${name}' is done by node:fs, and notices when it was not`, async (t) => {
    const folder = await makeFolder(t);
    const bytes = { fileBytes: MIB, writeBytes: MIB, copyBytes: MIB, smallFiles: 200 };
    const place: Place = { folder, ...bytes };
    const prepare = await workFor(name, 'test');
    const operations = name === 'copy' ? 3 : OPERATIONS;
    const honest = nodeKit('honest');
    const done = await prepare(honest, place, 4);
    await t.notThrowsAsync(() => done.run(operations));
    await done.close();
    const wrong = await prepare(liar({ ...honest, name: 'liar' }), place, 4);
    await t.throwsAsync(() => wrong.run(operations), { instanceOf: WrongContent });
    await wrong.close();
  });
}
