/**
 * `npm run profile -- ROW`: one row's work, done by one contender, under V8's CPU profiler. Prints
 * which functions the time went to, and writes the profile for a viewer of such files (Chrome's
 * DevTools, an editor).
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import type { Profiler } from 'node:inspector/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../support/launch.ts';
import { Contenders } from './contenders.ts';
import { hostOf } from './host.ts';
import { speedOf } from './measure.ts';
import type { Contender } from './measure.ts';
import { readOptions } from './options.ts';
import { inTemporary } from './place.ts';
import type { Place } from './place.ts';
import { FAMILIES, rowName } from './rows.ts';
import type { ContenderName, Family } from './rows.ts';
import { percent, table } from './table.ts';

const SHOWN = 25;
const SAMPLE_MICROS = 100;
const WARM_MS = 500;

interface Asked {
  readonly family: Family;
  readonly depth: number;
  readonly contender: ContenderName;
  readonly seconds: number;
  /** Without the profiler: for perf, strace and the like. */
  readonly plain: boolean;
  readonly driver: string;
  readonly folder: string;
}

try {
  const asked = readAsked(process.argv.slice(2));
  await inTemporary(asked.folder, false, (place) => main(asked, place));
} catch (error) {
  console.error(`profile: ${(error as Error).message}`);
  process.exitCode = 1;
}

function readAsked(args: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      contender: { type: 'string' },
      seconds: { type: 'string', default: '3' },
      plain: { type: 'boolean', default: false },
      driver: { type: 'string' },
      folder: { type: 'string' },
    },
  });
  const passed = (['driver', 'folder'] as const).flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [`--${name}`, value];
  });
  const { driver, folder } = readOptions(passed);
  const [row = ''] = positionals;
  const found = FAMILIES.flatMap((family) =>
    family.depths.map((depth) => ({ family, depth })),
  ).findLast(({ family, depth }) => rowName(family, depth) === row);
  if (found === undefined) {
    throw new Error(`there is no row named '${row}'; npm run bench -- --list shows them`);
  }
  // The children's and fio's time would not be in this process's profile.
  const here = found.family.contenders.filter((name) => /^(?:node|wakering)(?!-newest)/.test(name));
  const contender = here.find((name) =>
    values.contender === undefined ? name.startsWith('wakering') : name === values.contender,
  );
  if (contender === undefined) {
    throw new Error(`--contender ${values.contender}: ${row} has ${here.join(', ')}`);
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error(`--seconds ${values.seconds}: not a time`);
  return { ...found, contender, seconds, plain: values.plain, driver, folder };
}

async function main(asked: Asked, place: Place): Promise<void> {
  const { family, depth, contender: name, seconds, plain } = asked;
  const driver = readOptions(['--driver', asked.driver]).driver;
  const host = await hostOf(asked.folder, driver);
  const contenders = new Contenders(driver, host.driver, place);
  const made = await contenders.make(name, family, depth);
  if ('why' in made) throw new Error(`${name}: ${made.why}`);
  const perSecond = await speedOf(made, WARM_MS);
  const operations = Math.max(1, Math.round(perSecond * seconds));
  const row = rowName(family, depth);
  if (plain) {
    await made.measure(operations);
  } else {
    const file = `${row}-${name}-${host.driver}.cpuprofile`;
    const profile = await profiled(made, operations);
    const folder = join(projectRoot, '.build', 'profile');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, file), JSON.stringify(profile));
    const settings = made.settings ?? `${depth} at a time`;
    console.log(`${row}, ${name}: ${operations} operations, ${settings}\n`);
    console.log(selfTimes(profile));
    console.log(`\nwritten to .build/profile/${file}`);
    console.log(perfHint(row, name));
  }
  await made.close();
}

async function profiled(contender: Contender, operations: number): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
  await session.post('Profiler.start');
  await contender.measure(operations);
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return profile;
}

/** The functions that the time went to, by their own time alone. */
function selfTimes({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const byName = new Map<string, number>();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '?';
    const micros = timeDeltas[index] ?? 0;
    byName.set(name, (byName.get(name) ?? 0) + micros);
    total += micros;
  }
  const rows = [...byName]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([name, micros]) => {
      const [what = '', where = ''] = name.split('\0');
      return [percent(micros / total), (micros / 1000).toFixed(1), what, where];
    });
  return table(['self', 'ms', 'function', 'where'], rows, ['right', 'right', 'left', 'left']);
}

function placeOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][0]['callFrame']) {
  const file = url.startsWith('node:') ? url : basename(url.replace(/\?.*$/, ''));
  const where = url === '' ? '' : `${file}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}\0${where}`;
}

/** The kernel's and the addon's part is not in V8's profile. */
function perfHint(row: string, contender: string): string {
  if (spawnSync('perf', ['--version']).status !== 0) {
    return 'for the part of the kernel and the addon, install perf (Debian: apt-get install linux-perf)';
  }
  const data = `.build/profile/${row}-${contender}.perf`;
  const program = '.build/__test__/bench/profile.js';
  return [
    'for the part of the kernel and the addon:',
    `    perf record -g -o ${data} node_modules/node/bin/node --perf-basic-prof --expose-gc ${program} \\`,
    `        ${row} --contender ${contender} --plain`,
    `    perf report -i ${data} --no-children`,
  ].join('\n');
}
