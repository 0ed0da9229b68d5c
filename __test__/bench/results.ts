/** What came of a run: plain data, written as JSON and shown as tables. */

import type { Bar } from './bars.ts';
import type { Absent } from './contenders.ts';
import type { Host } from './host.ts';
import type { Effort, Measurement } from './measure.ts';
import type { Place } from './place.ts';

/** A row of contenders. */
export interface RowResult {
  readonly row: string;
  readonly family: string;
  readonly depth: number;
  /** How long it took, with everything. */
  readonly seconds: number;
  readonly measurements: readonly Measurement[];
  readonly absent: readonly Absent[];
  readonly notes: readonly string[];
}

/** A number of a row that is measured in a way of its own. */
export interface Figure {
  readonly subject: string;
  readonly value: number;
  readonly unit: string;
  /** As of {@link Measurement}; absent where it was measured once. */
  readonly spread?: number;
  readonly detail?: string;
}

/** Such a row. */
export interface ExtraResult {
  readonly row: string;
  readonly title: string;
  /** How it was measured. */
  readonly method: string;
  readonly figures: readonly Figure[];
  readonly absent: readonly Absent[];
}

/** How a bar was met. */
export interface Verdict {
  readonly bar: Bar;
  /** What was reached, in the bar's unit; absent where it was not measured. */
  readonly reached?: number;
  readonly verdict: 'met, and the aim' | 'met' | 'not met' | 'not run';
  readonly why?: string;
}

/** Everything. */
export interface Report {
  readonly when: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly host: Host;
  readonly effort: Effort;
  readonly place: Omit<Place, 'folder'>;
  readonly peers: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
  readonly extras: readonly ExtraResult[];
  readonly verdicts: readonly Verdict[];
}
