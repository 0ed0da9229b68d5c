/**
 * The same work through Wakering and through `node:fs/promises`, and which took how long.
 *
 * Fair means: the same code, the same order of calls, the same sizes of reads, the same
 * concurrency, the same SHA-256, and a page cache that is warm for both. So the whole tree is read
 * once before anything is measured, and each side has run before (compiled code, grown pools).
 * A small tree is done in milliseconds, where chance rules: its passes are repeated in turns, and
 * the fastest of each side counts.
 */

import type { FileSystem } from './file-system.ts';
import { firstDifference } from './manifest.ts';
import { makePass } from './pass.ts';
import type { Pass, PassOptions } from './pass.ts';
import { showProgress } from './progress.ts';

/** How many files the Wakering side reads before its measured pass; the other side read all. */
const REHEARSAL_FILES_MAX = 1000;

/** Passes are repeated until this much has been measured, or that often. */
const MEASURED_SECONDS_MIN = 1;
const ROUNDS_MAX = 10;

/** Both passes and what they say about each other. */
export interface Comparison {
  /** The fastest pass through Wakering, which ran first; its manifest is the one to write. */
  readonly wakering: Pass;
  /** The fastest pass through `node:fs/promises`. */
  readonly node: Pass;
  /** Node's seconds divided by Wakering's: above 1, Wakering was faster. */
  readonly ratio: number;
  /** How many passes each side has made. */
  readonly rounds: number;
  /** The first path on which the manifests disagree; `undefined` when they are equal. */
  readonly difference: Buffer | undefined;
}

/** What both sides share. */
export interface CompareOptions extends Omit<PassOptions, 'meter' | 'filesMax'> {
  readonly showProgress: boolean;
}

/** Makes one pass with a progress bar if there is someone to see it. */
export async function makeVisiblePass(
  label: string,
  fs: FileSystem,
  root: Buffer,
  options: CompareOptions,
): Promise<Pass> {
  if (!options.showProgress) return makePass(fs, root, options);
  using progress = await showProgress(label);
  return await makePass(fs, root, { ...options, meter: progress.meter });
}

/** Warms up, then makes and times a pass through `wakering` and one through `node`. */
export async function compare(
  sides: { readonly wakering: FileSystem; readonly node: FileSystem },
  root: Buffer,
  options: CompareOptions,
): Promise<Comparison> {
  await makeVisiblePass('warming up', sides.node, root, options);
  await makePass(sides.wakering, root, { ...options, filesMax: REHEARSAL_FILES_MAX });
  let wakering = await makeVisiblePass('wakering  ', sides.wakering, root, options);
  let node = await makeVisiblePass('node:fs   ', sides.node, root, options);
  let difference = firstDifference(wakering.entries, node.entries);
  let measured = wakering.seconds + node.seconds;
  let rounds = 1;
  while (measured < MEASURED_SECONDS_MIN && rounds < ROUNDS_MAX && difference === undefined) {
    // Too short to watch.
    const ours = await makePass(sides.wakering, root, options);
    const theirs = await makePass(sides.node, root, options);
    difference = firstDifference(ours.entries, theirs.entries);
    measured += ours.seconds + theirs.seconds;
    rounds += 1;
    if (ours.seconds < wakering.seconds || difference !== undefined) wakering = ours;
    if (theirs.seconds < node.seconds || difference !== undefined) node = theirs;
  }
  return { wakering, node, ratio: node.seconds / wakering.seconds, rounds, difference };
}
