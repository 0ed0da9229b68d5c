/**
 * What the table has to reach. Data only: a bar is one contender of one row, against another one or
 * as a number; `must` is what has to be, `aim` what would be good.
 */

import { FAMILIES, rowName } from './rows.ts';
import type { ContenderName } from './rows.ts';

/** Against whom: `newest` is the newest Node that was there, in this process or its own. */
export type Peer = ContenderName | 'newest';

/** `subject` is so many times as fast as `over`, or faster. */
export interface RatioBar {
  readonly row: string;
  readonly subject: ContenderName;
  readonly over: Peer;
  readonly must: number;
  readonly aim?: number;
}

/** A number of `subject` is at most so large. */
export interface LimitBar {
  readonly row: string;
  readonly subject: string;
  readonly unit: 'ns of CPU' | 'ms' | 'KiB';
  readonly must: number;
  readonly aim?: number;
}

/** One of them. */
export type Bar = RatioBar | LimitBar;

/** Where io_uring carries the operations, on a file system of this machine. */
const URING: readonly Bar[] = [
  // The promise facade, into leased memory.
  { row: 'read-1', subject: 'wakering-lease', over: 'fio', must: 0.65, aim: 0.8 },
  { row: 'read-1', subject: 'wakering-lease', over: 'newest', must: 8 },
  { row: 'read-1', subject: 'wakering-lease', over: 'bun', must: 6 },
  { row: 'read-32', subject: 'wakering-lease', over: 'fio', must: 0.9, aim: 1 },
  { row: 'read-32', subject: 'wakering-lease', over: 'newest', must: 3.5 },
  { row: 'read-32', subject: 'wakering-lease', over: 'bun', must: 1.5 },
  { row: 'read-128', subject: 'wakering-lease', over: 'fio', must: 0.9, aim: 1 },
  { row: 'read-128', subject: 'wakering-lease', over: 'newest', must: 2.8 },
  { row: 'read-128', subject: 'wakering-lease', over: 'bun', must: 1.5 },
  // The drop-in: a program's own buffer.
  { row: 'read-1', subject: 'wakering', over: 'newest', must: 7 },
  { row: 'read-32', subject: 'wakering', over: 'newest', must: 3 },
  { row: 'read-128', subject: 'wakering', over: 'newest', must: 2.2 },
  { row: 'read-32', subject: 'wakering', over: 'fio', must: 0.7, aim: 0.85 },
  { row: 'read-128', subject: 'wakering', over: 'fio', must: 0.7, aim: 0.85 },
  // An Op against a promise.
  { row: 'read-1', subject: 'wakering-op', over: 'wakering-lease', must: 0.85, aim: 1 },
  { row: 'read-32', subject: 'wakering-op', over: 'wakering-lease', must: 0.85, aim: 1 },
  { row: 'read-128', subject: 'wakering-op', over: 'wakering-lease', must: 0.85, aim: 1 },
  { row: 'direct-64', subject: 'wakering-lease', over: 'fio', must: 0.95, aim: 1 },
  // SQPOLL, with a CPU of its own and without.
  { row: 'ring-1', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 1, aim: 1.2 },
  { row: 'ring-32', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 0.9 },
  { row: 'ring-128', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 0.9 },
  { row: 'busy-1', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 0.6 },
  { row: 'busy-32', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 0.6 },
  { row: 'busy-128', subject: 'wakering-sqpoll', over: 'wakering-ring', must: 0.6 },
  // Names and small files.
  { row: 'stat-1', subject: 'wakering', over: 'newest', must: 6, aim: 8 },
  { row: 'stat-32', subject: 'wakering', over: 'newest', must: 1.8, aim: 2.5 },
  { row: 'absent-1', subject: 'wakering', over: 'newest', must: 6, aim: 8 },
  { row: 'absent-32', subject: 'wakering', over: 'newest', must: 1.8, aim: 2.5 },
  { row: 'readfile-1', subject: 'wakering', over: 'newest', must: 6 },
  { row: 'readfile-32', subject: 'wakering', over: 'newest', must: 2.5 },
  { row: 'readfile-1', subject: 'wakering', over: 'bun', must: 3 },
  { row: 'readfile-32', subject: 'wakering', over: 'bun', must: 0.95, aim: 1.3 },
  { row: 'write-1', subject: 'wakering', over: 'newest', must: 1.5 },
  { row: 'write-32', subject: 'wakering', over: 'newest', must: 2 },
  // Large and sequential.
  { row: 'stream', subject: 'wakering', over: 'newest', must: 1.5 },
  { row: 'walk', subject: 'wakering', over: 'newest', must: 4 },
  // What an operation costs.
  { row: 'nop-128', subject: 'wakering-op', unit: 'ns of CPU', must: 350, aim: 250 },
  { row: 'delay', subject: 'wakering over idle', unit: 'ms', must: 2, aim: 1 },
  { row: 'growth', subject: 'wakering, heap', unit: 'KiB', must: 256 },
];

/** Where io_uring is refused, or was not asked for. */
const POLL: readonly Bar[] = [
  { row: 'read-1', subject: 'wakering', over: 'newest', must: 5 },
  { row: 'read-32', subject: 'wakering', over: 'newest', must: 1.5 },
  { row: 'stat-1', subject: 'wakering', over: 'newest', must: 5 },
  { row: 'readfile-1', subject: 'wakering', over: 'newest', must: 5 },
  { row: 'growth', subject: 'wakering, heap', unit: 'KiB', must: 256 },
];

/** On overlayfs, the root of most containers: never worse by more than a tenth. */
const OVERLAY: readonly Bar[] = FAMILIES.filter(({ contenders }) => {
  const both: readonly ContenderName[] = ['node', 'wakering'];
  return both.every((name) => contenders.includes(name));
}).flatMap((family) => {
  const rows = new Set(family.depths.map((depth) => rowName(family, depth)));
  return [...rows].map((row) => ({ row, subject: 'wakering', over: 'newest', must: 0.9 }) as const);
});

/** The bars for a driver and a file system. */
export function barsFor(driver: string, fileSystem: string): readonly Bar[] {
  if (fileSystem === 'overlay') return OVERLAY;
  return driver === 'poll' ? POLL : URING;
}
