/**
 * Compares contenders within one run of one process: round by round, each in turn, because this
 * minute's machine is another than the last minute's. Medians of the rounds are what counts.
 */

/** One way to do the work. */
export interface Contender {
  /** As the table shows it. */
  readonly name: string;
  /** Does `operations` of the work, and tells when it was wrong. */
  run(operations: number): Promise<void>;
  /** System calls for operations so far, where somebody counts them. */
  systemCalls?(): number;
}

/** What came of one contender. */
export interface Measurement {
  readonly name: string;
  /** Operations in each second: the median of the rounds. */
  readonly perSecond: number;
  /** Compared with the first contender, of the same rounds: the median. */
  readonly ratio: number;
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

interface Round {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly systemCalls: number;
}

/** The middle one; of two in the middle, their mean. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Measures all of them; the first is what the others are compared with. */
export async function compare(
  contenders: readonly Contender[],
  effort: Effort,
): Promise<Measurement[]> {
  const counts: number[] = [];
  for (const contender of contenders) counts.push(await calibrate(contender, effort.ms));
  const rounds: Round[][] = contenders.map(() => []);
  for (let round = 0; round < effort.rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      // Each begins a round in its turn: none is always measured after the same other one.
      const index = (turn + round) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      rounds[index]?.push(await measure(contender, counts[index] ?? 1));
    }
  }
  const first = rounds[0] ?? [];
  return contenders.map(({ name, systemCalls }, index) => {
    const own = rounds[index] ?? [];
    const ratios = own.map(({ perSecond }, round) => perSecond / (first[round]?.perSecond ?? 1));
    return {
      name,
      perSecond: median(own.map(({ perSecond }) => perSecond)),
      ratio: median(ratios),
      cpuMicros: median(own.map(({ cpuMicros }) => cpuMicros)),
      ...(systemCalls && { systemCalls: median(own.map((round) => round.systemCalls)) }),
      rounds: own.map(({ perSecond }) => perSecond),
    };
  });
}

/** How many operations take about `ms`; warms everything up on the way. */
async function calibrate(contender: Contender, ms: number): Promise<number> {
  let operations = 500;
  for (;;) {
    const start = performance.now();
    await contender.run(operations);
    const elapsed = performance.now() - start;
    if (elapsed > ms / 3) return Math.max(1, Math.round((operations * ms) / elapsed));
    operations *= 2;
  }
}

async function measure(contender: Contender, operations: number): Promise<Round> {
  (globalThis as { gc?: () => void }).gc?.();
  const calls = contender.systemCalls?.() ?? 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await contender.run(operations);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: operations / seconds,
    cpuMicros: (user + system) / operations,
    systemCalls: ((contender.systemCalls?.() ?? 0) - calls) / operations,
  };
}
