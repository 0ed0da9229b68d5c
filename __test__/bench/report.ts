/** A report as Markdown: a table for each family of rows, and one of the bars. */

import type { Bar } from './bars.ts';
import { ratioOf } from './measure.ts';
import type { ExtraResult, Report, RowResult, Verdict } from './results.ts';
import { CONTENDERS, FAMILIES } from './rows.ts';
import type { ContenderName, Family } from './rows.ts';
import { micros, percent, perSecond, table } from './table.ts';
import type { Side } from './table.ts';
import { peerOf } from './verdict.ts';

/** Columns of ratios, each shown where its peer takes part. */
const RATIOS = [
  ['× node', 'newest'],
  ['× bun', 'bun'],
  ['× fio', 'fio'],
  ['× ring', 'wakering-ring'],
] as const;

/** So many rows are named where somebody took no part; more are counted. */
const NAMED_MAX = 8;

/** The whole report. */
export function markdown(report: Report): string {
  const families = FAMILIES.flatMap((family) => {
    const rows = report.rows.filter(
      ({ family: name, measurements }) => name === family.name && measurements.length > 0,
    );
    return rows.length === 0 ? [] : familySection(family, rows);
  });
  const extras = report.extras.flatMap(extraSection);
  const body = [...families, ...extras, ...absences(report), ...bars(report)];
  return [...head(report), ...body].join('\n');
}

function head({ host, when, quick, effort, place, peers, seconds }: Report): string[] {
  const mib = (bytes: number): string => `${bytes >> 20} MiB`;
  return [
    `# Wakering's benches${quick ? ' (quick)' : ''}`,
    '',
    `- ${when.slice(0, 16).replace('T', ' ')} UTC, ${seconds.toFixed(0)} s; Node ${host.node}, ` +
      `Linux ${host.kernel}, ${host.cpus} CPUs (${host.cpu})`,
    `- driver: ${host.driver} (${host.reason}); file system: ${host.fileSystem}`,
    `- files: ${mib(place.fileBytes)} to read, ${mib(place.writeBytes)} to write to, ` +
      `${mib(place.copyBytes)} to copy, ${place.smallFiles} of 4 KiB in 100 folders`,
    ...Object.entries(peers).map(([name, text]) => `- ${name}: ${text}`),
    '',
    `Medians of ${effort.rounds} alternating rounds of about ${effort.ms} ms for each contender; ` +
      'ratios are medians of the ratios',
    'round by round. The spread is the distance of the quarters. CPU time is of all threads, for one',
    'operation. Compare within a run only. bun and another Node are processes of their own; fio is the',
    'floor: it looks at nothing of what it reads.',
    '',
  ];
}

function familySection(family: Family, rows: readonly RowResult[]): string[] {
  const ratios = RATIOS.filter(([, peer]) => rows.some((row) => peerOf(row, peer) !== undefined));
  const counts = rows.some(({ measurements }) =>
    measurements.some(({ systemCalls }) => systemCalls !== undefined),
  );
  const columns = [
    'row',
    'contender',
    `${family.operation ?? 'operations'}/s`,
    'spread',
    ...ratios.map(([title]) => title),
    'CPU us',
    ...(counts ? ['syscalls'] : []),
  ];
  const lines = rows.flatMap((row) =>
    row.measurements.map((measurement) => [
      row.row,
      nameOf(measurement),
      perSecond(measurement.perSecond),
      percent(measurement.spread),
      ...ratios.map(([, peer]) => {
        const other = peerOf(row, peer);
        if (other === undefined || other === measurement) return '';
        return ratioOf(measurement.rounds, other.rounds).toFixed(2);
      }),
      micros(measurement.cpuMicros),
      ...(counts ? [measurement.systemCalls?.toFixed(3) ?? ''] : []),
    ]),
  );
  const sides = columns.map((_, column): Side => (column < 2 ? 'left' : 'right'));
  const notes = rows.flatMap((row) => row.notes.map((note) => `- ${row.row}: ${note}`));
  return section(family.title, [table(columns, lines, sides)], notes);
}

function nameOf({ contender, settings }: { contender: string; settings?: string }): string {
  const name = CONTENDERS[contender as ContenderName] ?? contender;
  return settings === undefined ? name : `${name}; ${settings}`;
}

function extraSection({ title, row, method, figures }: ExtraResult): string[] {
  const lines = figures.map(({ subject, value, unit, spread }) => [
    row,
    subject,
    `${value.toFixed(unit === 'ms' || unit === 'us' ? 2 : 0)} ${unit}`,
    spread === undefined ? '' : percent(spread),
  ]);
  const columns = ['row', 'subject', 'value', 'spread'];
  if (lines.length === 0) return [];
  const body = table(columns, lines, ['left', 'left', 'right', 'right']);
  return section(title, [body, '', `Measured as ${method}.`]);
}

/** Who took no part, and why: a line for each reason, with the rows that it holds for. */
function absences({ rows, extras }: Report): string[] {
  const byReason = new Map<string, string[]>();
  for (const { row, absent } of [...rows, ...extras]) {
    for (const { contender, why } of absent) {
      const reason = `${contender}: ${why}`;
      byReason.set(reason, [...(byReason.get(reason) ?? []), row]);
    }
  }
  if (byReason.size === 0) return [];
  const lines = [...byReason].map(([reason, names]) => {
    const isLong = names.length > NAMED_MAX;
    return `- ${reason} (${isLong ? `${names.length} rows` : names.join(', ')})`;
  });
  return section('Not run', lines);
}

function section(title: string, body: readonly string[], notes: readonly string[] = []): string[] {
  const last = notes.length === 0 ? [] : ['', ...notes];
  return [`## ${title}`, '', ...body, ...last, ''];
}

function bars({ verdicts }: Report): string[] {
  if (verdicts.length === 0) return [];
  const lines = verdicts.map(({ bar, reached, verdict, why }) => [
    bar.row,
    bar.subject,
    'over' in bar ? `≥ ${bar.must} × ${bar.over}` : `≤ ${bar.must} ${bar.unit}`,
    bar.aim === undefined ? '' : String(bar.aim),
    reached === undefined ? '' : shown(bar, reached),
    why === undefined ? verdict : `${verdict}: ${why}`,
  ]);
  const columns = ['row', 'contender', 'must', 'aim', 'reached', 'verdict'];
  const sides = ['left', 'left', 'left', 'right', 'right', 'left'] as const;
  return section('Bars', [table(columns, lines, sides), '', summary(verdicts)]);
}

function shown(bar: Bar, reached: number): string {
  return 'over' in bar || bar.unit === 'ms' ? reached.toFixed(2) : reached.toFixed(0);
}

function summary(verdicts: readonly Verdict[]): string {
  const count = (...kinds: readonly Verdict['verdict'][]): number =>
    verdicts.filter(({ verdict }) => kinds.includes(verdict)).length;
  return (
    `${verdicts.length} bars: ${count('met', 'met, and the aim')} met ` +
    `(${count('met, and the aim')} with their aim), ${count('not met')} not met, ` +
    `${count('not run')} not run.`
  );
}
