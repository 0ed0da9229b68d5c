/**
 * `npm run bench [-- --quick]`: measures against `node:fs/promises`, prints a table, and writes it to
 * `.build/bench/` as Markdown and, with every round, as JSON. Nothing here fails for being slow.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../support/launch.ts';
import type { Effort, Measurement } from './measure.ts';
import { bench } from './read.bench.ts';
import type { Result } from './read.bench.ts';
import { perSecond, table } from './table.ts';

const MIB = 1 << 20;
const HEAD = ['depth', 'contender', 'reads/s', 'ratio', 'CPU us', 'syscalls/read'];

const quick = process.argv.includes('--quick');
const unknown = process.argv.slice(2).find((argument) => argument !== '--quick');
if (unknown === undefined) {
  await main();
} else {
  console.error(`bench: unknown argument ${unknown}; there is --quick`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const effort: Effort = quick ? { rounds: 3, ms: 100 } : { rounds: 9, ms: 400 };
  const began = new Date();
  if (process.stderr.isTTY) {
    const minutes = quick ? 'ten seconds' : 'a minute';
    console.error(`bench: ${effort.rounds} rounds, about ${minutes}`);
  }
  const result = await bench(quick ? 64 * MIB : 256 * MIB, effort);
  const report = markdown(result, began);
  console.log(report);
  const folder = join(projectRoot, '.build', 'bench');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'read.md'), report);
  const record = { when: began.toISOString(), machine: machine(), effort, ...result };
  writeFileSync(join(folder, 'read.json'), `${JSON.stringify(record, null, 2)}\n`);
  console.log('written to .build/bench/read.md and read.json');
}

function machine(): Record<string, string | number> {
  return {
    node: process.version,
    kernel: release(),
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
  };
}

function markdown(result: Result, began: Date): string {
  const { node, kernel, cpus: count, cpu } = machine();
  const rows = result.rows.flatMap(({ depth, measurements }) =>
    measurements.map((measurement) => row(depth, measurement)),
  );
  return [
    `## ${result.title}`,
    '',
    `Node ${node}, Linux ${kernel}, ${count} CPUs (${cpu}), ${began.toISOString().slice(0, 10)}.`,
    `Driver: ${result.driver}. Medians of alternating rounds within one process; compare within`,
    'this table only.',
    '',
    table(HEAD, rows, ['right', 'left', 'right', 'right', 'right', 'right']),
    '',
  ].join('\n');
}

function row(depth: number, measurement: Measurement): string[] {
  const { name, ratio, cpuMicros, systemCalls } = measurement;
  return [
    String(depth),
    name,
    perSecond(measurement.perSecond),
    ratio.toFixed(2),
    cpuMicros.toFixed(2),
    systemCalls?.toFixed(3) ?? '',
  ];
}
