/**
 * Compares contenders within one run: round by round, each in turn, because this minute's machine is
 * another than the last minute's. Medians of the rounds are what counts.
 */

/** What a contender did in one round. */
export interface Round {
  readonly operations: number;
  readonly seconds: number;
  /** CPU time of all its threads. */
  readonly cpuMicros: number;
  /** System calls; where nobody counts them, absent. */
  readonly systemCalls?: number;
}

/** One way to do a row's work. */
export interface Contender {
  /** One of those in contenders.ts. */
  readonly name: string;
  /** With which settings, where there was a choice. */
  readonly settings?: string;
  /** Fewer operations than these cannot be told from nothing; 1 where it is left out. */
  readonly least?: number;
  /** Does so many operations of the work; fails where it was done wrong. */
  measure(operations: number): Promise<Round>;
  close(): Promise<void>;
}

/** What came of one contender. */
export interface Measurement {
  readonly contender: string;
  readonly settings?: string;
  /** Operations in each second: the median of the rounds. */
  readonly perSecond: number;
  /** What lies between the quarters of the rounds, as a part of the median. */
  readonly spread: number;
  /** Microseconds of CPU time for each operation, of all threads: the median. */
  readonly cpuMicros: number;
  /** System calls for each operation; where nobody counts them, absent. */
  readonly systemCalls?: number;
  /** Operations in each second, round by round. */
  readonly rounds: readonly number[];
}

/** How long to measure. */
export interface Effort {
  /** How many rounds. */
  readonly rounds: number;
  /** How long each contender works in a round, about. */
  readonly ms: number;
}

/** As long as this, each contender works before it counts: compilers need time. */
const WARM_MS = 120;

/** The value below which a part of the others lie: 0.5 is the median. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** The middle one; of two in the middle, their mean. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** How far the quarters lie apart, as a part of the median. */
export function spreadOf(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/** One contender against another: the median of the ratios, round by round. */
export function ratioOf(rounds: readonly number[], others: readonly number[]): number {
  return median(rounds.map((value, round) => value / (others[round] ?? Number.NaN)));
}

/** Measures all of them in alternating rounds. */
export async function compare(
  contenders: readonly Contender[],
  effort: Effort,
): Promise<Measurement[]> {
  const entries: { contender: Contender; count: number; rounds: Round[] }[] = [];
  for (const contender of contenders) {
    const guess = await speedOf(contender, WARM_MS);
    const { operations, seconds } = await contender.measure(operationsIn(WARM_MS, guess));
    const count = operationsIn(effort.ms, operations / seconds);
    entries.push({ contender, count, rounds: [] });
  }
  for (let round = 0; round < effort.rounds; round += 1) {
    for (let turn = 0; turn < entries.length; turn += 1) {
      // Each begins a round in its turn, and every other round goes backwards: none is always
      // measured after the same other one.
      const step = round % 2 === 0 ? turn : entries.length - turn;
      const entry = entries[(round + step) % entries.length];
      entry?.rounds.push(await entry.contender.measure(entry.count));
    }
  }
  return entries.map(({ contender, rounds }) => measurementOf(contender, rounds));
}

function measurementOf({ name, settings }: Contender, rounds: readonly Round[]): Measurement {
  const perSecond = rounds.map(({ operations, seconds }) => operations / seconds);
  const calls = rounds.flatMap(({ systemCalls, operations }) =>
    systemCalls === undefined ? [] : [systemCalls / operations],
  );
  return {
    contender: name,
    ...(settings !== undefined && { settings }),
    perSecond: median(perSecond),
    spread: spreadOf(perSecond),
    cpuMicros: median(rounds.map(({ cpuMicros, operations }) => cpuMicros / operations)),
    ...(calls.length > 0 && { systemCalls: median(calls) }),
    rounds: perSecond,
  };
}

/** Operations in each second, as far as a third of `ms` tells; warms everything up on the way. */
export async function speedOf(contender: Contender, ms: number): Promise<number> {
  for (let operations = contender.least ?? 1; ; operations *= 4) {
    const { seconds } = await contender.measure(operations);
    if (seconds * 1000 > ms / 3) return operations / seconds;
  }
}

/** How many operations take about `ms`. */
function operationsIn(ms: number, perSecond: number): number {
  return Math.max(1, Math.round((perSecond * ms) / 1000));
}

/** The fastest of several ways, each measured twice by turns; the others are closed. */
export async function fastest(candidates: readonly Contender[], ms: number): Promise<Contender> {
  const speeds = candidates.map(() => 0);
  for (let round = 0; round < 2; round += 1) {
    for (const [index, candidate] of candidates.entries()) {
      speeds[index] = Math.max(speeds[index] ?? 0, await speedOf(candidate, ms));
    }
  }
  const best = candidates[speeds.indexOf(Math.max(...speeds))];
  if (best === undefined) throw new Error('there is nobody to choose from');
  for (const candidate of candidates) if (candidate !== best) await candidate.close();
  return best;
}
