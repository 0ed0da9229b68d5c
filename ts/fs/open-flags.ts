/** The flags of `open`, by name. */

import { constants } from 'node:fs';
import type { OpenMode } from 'node:fs';
import { invalidArgValue } from '../errors.ts';
import { int32 } from './validate.ts';

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

/** Letters may come in either order where both are usual: `wx` and `xw`. */
const byName: ReadonlyMap<string, number> = new Map(
  Object.entries({
    r: O_RDONLY,
    rs: O_RDONLY | O_SYNC,
    sr: O_RDONLY | O_SYNC,
    'r+': O_RDWR,
    'rs+': O_RDWR | O_SYNC,
    'sr+': O_RDWR | O_SYNC,
    w: O_TRUNC | O_CREAT | O_WRONLY,
    wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
    xw: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
    'w+': O_TRUNC | O_CREAT | O_RDWR,
    'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
    'xw+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
    a: O_APPEND | O_CREAT | O_WRONLY,
    ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
    xa: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
    as: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
    sa: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
    'a+': O_APPEND | O_CREAT | O_RDWR,
    'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
    'xa+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
    'as+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
    'sa+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
  }),
);

/** The number that a flag's name stands for; a number stands for itself. */
export function openFlags(flags: OpenMode | null | undefined): number {
  if (flags === undefined || flags === null) return O_RDONLY;
  if (typeof flags === 'number') return int32(flags, 'flags') + 0;
  const known = typeof flags === 'string' ? byName.get(flags) : undefined;
  if (known === undefined) throw invalidArgValue('flags', flags);
  return known;
}

/** Whether a file opened so can be read. */
export function reads(flags: number): boolean {
  return (flags & 3) !== O_WRONLY;
}

/** Whether opening it so can change anything. */
export function writes(flags: number): boolean {
  return (flags & 3) !== O_RDONLY || (flags & (O_CREAT | O_TRUNC)) !== 0;
}
