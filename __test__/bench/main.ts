/**
 * `npm run bench [-- OPTIONS]`: measures every row, prints tables, and writes them to `.build/bench/`
 * as Markdown and, with every round, as JSON. Nothing here fails for being slow; a row where something
 * was read or written wrong has no numbers, and the command fails in the end.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/launch.ts';
import { barsFor } from './bars.ts';
import { keepBusy } from './busy.ts';
import { Contenders } from './contenders.ts';
import type { Absent } from './contenders.ts';
import { measureExtra } from './extras.ts';
import { collect } from './here.ts';
import { hostOf } from './host.ts';
import { compare } from './measure.ts';
import type { Contender, Effort } from './measure.ts';
import { readOptions } from './options.ts';
import type { Options } from './options.ts';
import { inTemporary } from './place.ts';
import type { Place } from './place.ts';
import { markdown } from './report.ts';
import type { ExtraResult, Report, RowResult } from './results.ts';
import { EXTRAS, FAMILIES, isWanted, rowName, rowNames } from './rows.ts';
import type { ExtraName, Family } from './rows.ts';
import { judge } from './verdict.ts';

const WHOLE: Effort = { rounds: 9, ms: 250 };
const QUICK: Effort = { rounds: 3, ms: 50 };

try {
  const options = readOptions(process.argv.slice(2));
  if (options.list) console.log(rowNames().join('\n'));
  else await inTemporary(options.folder, options.quick, (place) => main(options, place));
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}

async function main(options: Options, place: Place): Promise<void> {
  const { quick, driver } = options;
  const began = new Date();
  const host = await hostOf(options.folder, driver);
  const effort = quick ? QUICK : WHOLE;
  const contenders = new Contenders(driver, host.driver, place);
  const rows: RowResult[] = [];
  const extras: ExtraResult[] = [];
  try {
    for (const [family, depth] of wantedRows(options.rows)) {
      rows.push(await rowOrFailure(family, depth, contenders, effort));
    }
    for (const name of Object.keys(EXTRAS) as ExtraName[]) {
      if (!isWanted(name, options.rows)) continue;
      say(name);
      extras.push(await measureExtra(name, { driver, place, effort, quick }));
    }
  } finally {
    contenders.end();
  }
  const { folder: _, ...sizes } = place;
  const verdicts = judge(barsFor(host.driver, host.fileSystem), rows, extras);
  const seconds = (Date.now() - began.getTime()) / 1000;
  const when = began.toISOString();
  const peers = describePeers(contenders);
  write(options, {
    when,
    seconds,
    quick,
    host,
    effort,
    place: sizes,
    peers,
    rows,
    extras,
    verdicts,
  });
}

function wantedRows(wanted: readonly string[]): (readonly [Family, number])[] {
  return FAMILIES.flatMap((family) =>
    (family.best === true ? [0] : family.depths)
      .filter((depth) => isWanted(rowName(family, depth), wanted))
      .map((depth) => [family, depth] as const),
  );
}

/** A row that fails, for whatever reason, leaves the others their numbers. */
async function rowOrFailure(
  family: Family,
  depth: number,
  contenders: Contenders,
  effort: Effort,
): Promise<RowResult> {
  try {
    return await measureRow(family, depth, contenders, effort);
  } catch (error) {
    const row = rowName(family, depth);
    const why = `the row failed: ${(error as Error).message}`;
    console.error(`bench: ${row}: ${why}`);
    process.exitCode = 1;
    const absent = family.contenders.map((contender) => ({ contender, why }));
    return { row, family: family.name, depth, seconds: 0, measurements: [], absent, notes: [] };
  }
}

async function measureRow(
  family: Family,
  depth: number,
  contenders: Contenders,
  effort: Effort,
): Promise<RowResult> {
  const row = rowName(family, depth);
  say(row);
  const began = performance.now();
  const busy = family.busy === true ? await keepBusy() : undefined;
  const ready: Contender[] = [];
  const absent: Absent[] = [];
  try {
    for (const contender of family.contenders) {
      const made =
        busy !== undefined && 'obstacle' in busy
          ? { contender, why: busy.obstacle }
          : await contenders.make(contender, family, depth);
      if ('why' in made) absent.push(made);
      else ready.push(made);
    }
    collect();
    const measurements = await compare(ready, effort);
    const seconds = (performance.now() - began) / 1000;
    const notes = busy !== undefined && 'note' in busy ? [busy.note] : [];
    return { row, family: family.name, depth, seconds, measurements, absent, notes };
  } finally {
    for (const contender of ready) await contender.close();
    if (busy !== undefined && 'end' in busy) busy.end();
  }
}

function describePeers(contenders: Contenders): Record<string, string> {
  const described: Record<string, string> = {};
  for (const name of ['node-newest', 'bun'] as const) {
    const { version, obstacle } = contenders.peer(name);
    described[name] = version ?? `not run: ${obstacle}`;
  }
  const fio = contenders.fioObstacle();
  described['fio'] = fio === undefined ? 'io_uring, fixed buffers and files' : `not run: ${fio}`;
  return described;
}

function write(options: Options, report: Report): void {
  const folder = join(projectRoot, '.build', 'bench');
  const parts = [report.host.driver, report.host.fileSystem];
  if (report.quick) parts.push('quick');
  if (options.rows.length > 0) parts.push('some');
  const name = parts.join('-');
  const text = markdown(report);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.md`), text);
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  console.log(text);
  console.log(`written to .build/bench/${name}.md and ${name}.json`);
}

/** Tells somebody who waits at a terminal how far it is. */
function say(row: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kbench: ${row}\r`);
}
