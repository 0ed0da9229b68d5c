/**
 * The same work through Wakering and through `node:fs/promises`, and which took how long.
 *
 * Fair means: the same code, the same order of calls, the same sizes of reads, the same
 * concurrency, the same SHA-256, and a page cache that is warm for both. So the whole tree is read
 * once before anything is measured, and each side has run before (compiled code, grown pools).
 */

import type { FileSystem } from './file-system.ts';
import { firstDifference } from './manifest.ts';
import { makePass } from './pass.ts';
import type { Pass, PassOptions } from './pass.ts';
import { showProgress } from './progress.ts';

/** How many files the Wakering side reads before its measured pass; the other side read all. */
const REHEARSAL_FILES_MAX = 1000;

/** Both passes and what they say about each other. */
export interface Comparison {
  /** The pass through Wakering: it ran first, and its manifest is the one that is written. */
  readonly wakering: Pass;
  /** The pass through `node:fs/promises`. */
  readonly node: Pass;
  /** Node's seconds divided by Wakering's: above 1, Wakering was faster. */
  readonly ratio: number;
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
  const wakering = await makeVisiblePass('wakering  ', sides.wakering, root, options);
  const node = await makeVisiblePass('node:fs   ', sides.node, root, options);
  const ratio = node.seconds / wakering.seconds;
  const difference = firstDifference(wakering.entries, node.entries);
  return { wakering, node, ratio, difference };
}
