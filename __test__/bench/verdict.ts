/** Whether the bars are met. */

import type { Bar, LimitBar, RatioBar } from './bars.ts';
import { ratioOf } from './measure.ts';
import type { Measurement } from './measure.ts';
import type { ExtraResult, RowResult, Verdict } from './results.ts';

/** Judges each bar whose row was asked for. */
export function judge(
  bars: readonly Bar[],
  rows: readonly RowResult[],
  extras: readonly ExtraResult[],
): Verdict[] {
  return bars.flatMap((bar) => {
    const row = rows.find(({ row }) => row === bar.row);
    const extra = extras.find(({ row }) => row === bar.row);
    if (row === undefined && extra === undefined) return [];
    if ('over' in bar) return [row === undefined ? notRun(bar, 'no such row') : ratio(bar, row)];
    return [row === undefined ? figure(bar, extra) : cpu(bar, row)];
  });
}

/** One contender's rounds against another's; `newest` is the newest Node that took part. */
function ratio(bar: RatioBar, row: RowResult): Verdict {
  const subject = find(row, bar.subject);
  if (subject === undefined) return notRun(bar, whyNot(row, bar.subject));
  const peer = peerOf(row, bar.over);
  if (peer === undefined) return notRun(bar, whyNot(row, bar.over));
  return verdict(bar, ratioOf(subject.rounds, peer.rounds), (reached, wanted) => reached >= wanted);
}

/** The measurement of a peer; `newest` is the newest Node that took part. */
export function peerOf(row: RowResult, peer: string): Measurement | undefined {
  if (peer === 'newest') return find(row, 'node-newest') ?? find(row, 'node');
  return find(row, peer);
}

function cpu(bar: LimitBar, row: RowResult): Verdict {
  const subject = find(row, bar.subject);
  if (subject === undefined) return notRun(bar, whyNot(row, bar.subject));
  return verdict(bar, subject.cpuMicros * 1000, atMost);
}

function figure(bar: LimitBar, extra: ExtraResult | undefined): Verdict {
  const found = extra?.figures.find(({ subject }) => subject === bar.subject);
  if (found === undefined) return notRun(bar, extra?.absent[0]?.why ?? 'it was not measured');
  if (found.unit !== bar.unit) throw new Error(`${bar.row}: ${bar.unit} against ${found.unit}`);
  return verdict(bar, found.value, atMost);
}

function atMost(reached: number, wanted: number): boolean {
  return reached <= wanted;
}

function verdict(
  bar: Bar,
  reached: number,
  reaches: (reached: number, wanted: number) => boolean,
): Verdict {
  if (!reaches(reached, bar.must)) return { bar, reached, verdict: 'not met' };
  const isAimed = bar.aim !== undefined && reaches(reached, bar.aim);
  return { bar, reached, verdict: isAimed ? 'met, and the aim' : 'met' };
}

function notRun(bar: Bar, why: string): Verdict {
  return { bar, verdict: 'not run', why };
}

function find(row: RowResult, name: string): Measurement | undefined {
  return row.measurements.find(({ contender }) => contender === name);
}

function whyNot(row: RowResult, name: string): string {
  const absent = row.absent.find(({ contender }) => contender === name);
  return `${name}: ${absent?.why ?? 'it takes no part in this row'}`;
}
