/** The rows of the table: which work, how much of it at a time, and who does it. Data only. */

import type { WorkName } from './works/index.ts';

/** Everybody who does rows. */
export const CONTENDERS = {
  node: 'node:fs/promises',
  'node-newest': 'node:fs/promises, newest Node',
  bun: 'node:fs/promises, bun',
  'node-callback': 'node:fs, callbacks',
  wakering: 'wakering/fs',
  'wakering-lease': 'wakering/fs, leased memory',
  'wakering-op': 'Op, leased memory',
  'wakering-ring': 'Op, the ring alone',
  'wakering-sqpoll': 'Op, SQPOLL',
  fio: 'fio',
} as const;

/** The name of one of them. */
export type ContenderName = keyof typeof CONTENDERS;

/** Several rows that differ in depth only, in one table. */
export interface Family {
  readonly name: string;
  readonly title: string;
  readonly work: WorkName;
  /** How many at a time, a row each; or, under one name, what each contender may choose from. */
  readonly depths: readonly number[];
  readonly best?: true;
  readonly contenders: readonly ContenderName[];
  /** Something else keeps the last CPU busy meanwhile. */
  readonly busy?: true;
  /** What one operation is, where it is not the work's own. */
  readonly operation?: string;
}

const PEERS = ['node', 'node-newest', 'bun'] as const;

/** See the module's text. */
export const FAMILIES: readonly Family[] = [
  {
    name: 'read',
    title: 'Awaited reads of 4 KiB from the page cache, at random places',
    work: 'read',
    depths: [1, 32, 128],
    contenders: [...PEERS, 'node-callback', 'wakering', 'wakering-lease', 'wakering-op', 'fio'],
  },
  {
    name: 'ring',
    title: 'The same reads through the ring alone, inline and over SQPOLL with a CPU of its own',
    work: 'read',
    depths: [1, 32, 128],
    contenders: ['wakering-ring', 'wakering-sqpoll'],
  },
  {
    name: 'busy',
    title: 'The same two, while another process keeps that CPU busy',
    work: 'read',
    depths: [1, 32, 128],
    contenders: ['wakering-ring', 'wakering-sqpoll'],
    busy: true,
  },
  {
    name: 'direct',
    title: 'Awaited reads of 4 KiB with O_DIRECT, at random places',
    work: 'readDirect',
    depths: [1, 32, 64],
    contenders: [...PEERS, 'wakering-lease', 'wakering-op', 'fio'],
  },
  {
    name: 'write',
    title: 'Awaited writes of 4 KiB into the page cache, at random places',
    work: 'write',
    depths: [1, 32, 128],
    contenders: [...PEERS, 'wakering', 'wakering-lease'],
  },
  {
    name: 'stat',
    title: 'stat of cached names',
    work: 'stat',
    depths: [1, 32],
    contenders: [...PEERS, 'wakering', 'wakering-op'],
  },
  {
    name: 'absent',
    title: 'stat of a name that is not there',
    work: 'absent',
    depths: [1, 32],
    contenders: [...PEERS, 'wakering', 'wakering-op'],
  },
  {
    name: 'open',
    title: 'open and close',
    work: 'openClose',
    depths: [1, 32],
    contenders: [...PEERS, 'wakering', 'wakering-op'],
  },
  {
    name: 'readfile',
    title: 'readFile of small files (4 KiB)',
    work: 'readSmall',
    depths: [1, 32, 128],
    contenders: [...PEERS, 'wakering'],
  },
  {
    name: 'stream',
    title: 'for await over createReadStream of the large file',
    work: 'stream',
    depths: [1],
    contenders: [...PEERS, 'wakering'],
    operation: 'files',
  },
  {
    name: 'large',
    title: 'readFile of the large file',
    work: 'readLarge',
    depths: [1],
    contenders: [...PEERS, 'wakering'],
    operation: 'files',
  },
  {
    name: 'copy',
    title: 'copyFile',
    work: 'copy',
    depths: [1],
    contenders: [...PEERS, 'wakering'],
    operation: 'files',
  },
  {
    name: 'walk',
    title: 'readdir, recursive, and stat of every file; 8, 32 or 128 at a time: the best of each',
    work: 'walk',
    depths: [8, 32, 128],
    best: true,
    contenders: [...PEERS, 'wakering'],
    operation: 'trees',
  },
  {
    name: 'timers',
    title: 'Sleeps of 2 ms',
    work: 'sleep',
    depths: [1, 1000],
    contenders: [...PEERS, 'wakering-op'],
  },
  {
    name: 'nop',
    title: 'An await of nothing: a resolved promise, and an operation that makes the whole trip',
    work: 'nop',
    depths: [1, 32, 128],
    contenders: ['node', 'wakering-op'],
  },
];

/** The rows that are measured in ways of their own; extras.ts has them. */
export const EXTRAS = {
  delay: 'Delay of the event loop, while 128 readers keep the lane full',
  ownership: 'A read by its size: copied, into leased memory, and memory handed over',
  heap: 'Bytes allocated on the JavaScript heap for each operation',
  growth: 'Memory that is left behind by many operations',
} as const;

/** The name of one of them. */
export type ExtraName = keyof typeof EXTRAS;

/** The name of a family's row. */
export function rowName(family: Family, depth: number): string {
  return family.best === true || family.depths.length === 1
    ? family.name
    : `${family.name}-${depth}`;
}

/** Every row's name, in the order of the table. */
export function rowNames(): string[] {
  const rows = FAMILIES.flatMap((family) => family.depths.map((depth) => rowName(family, depth)));
  return [...new Set([...rows, ...Object.keys(EXTRAS)])];
}

/** Whether a row was asked for: by its name, or by the beginning of it. */
export function isWanted(row: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.some((name) => row === name || row.startsWith(`${name}-`));
}
