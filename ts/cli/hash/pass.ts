/** One pass over a tree: walk it, hash every file, sort. The unit that is timed and compared. */

import { countSkipped, noteFailure, walk } from './walk.ts';
import type { Failure, Skipped, Tree, WalkOptions } from './walk.ts';
import { workThrough } from './crew.ts';
import { digestFile, ReadBuffer } from './digest.ts';
import type { FileSystem } from './file-system.ts';
import { sortEntries } from './manifest.ts';
import type { ManifestEntry } from './manifest.ts';

/** How far a pass has come; it writes this and others may look at any time. */
export interface Meter {
  /** How many files there are; 0 until the walk is done. */
  total: number;
  files: number;
  bytes: number;
}

/** What a pass came to. */
export interface Pass {
  /** Every file that was hashed, sorted. */
  readonly entries: readonly ManifestEntry[];
  readonly bytes: number;
  readonly skipped: Skipped;
  /** What could not be read, sorted by path. */
  readonly failures: readonly Failure[];
  /** From the first look at the tree to the last hash. */
  readonly seconds: number;
}

/** How to make a pass. */
export interface PassOptions extends WalkOptions {
  readonly meter?: Meter;
  /** Hash at most this many files. */
  readonly filesMax?: number;
}

/** Walks the tree at `root` and hashes what it finds, `concurrency` files at a time. */
export async function makePass(fs: FileSystem, root: Buffer, options: PassOptions): Promise<Pass> {
  const meter = options.meter ?? { total: 0, files: 0, bytes: 0 };
  const start = performance.now();
  const tree = await walk(fs, root, options);
  if (options.filesMax !== undefined) tree.files.splice(options.filesMax);
  meter.total = tree.files.length;
  const entries: ManifestEntry[] = [];
  const bytes = await digestTree(fs, tree, entries, options, meter);
  const seconds = (performance.now() - start) / 1000;
  sortEntries(entries);
  const failures = tree.failures.sort((a, b) => Buffer.compare(a.path, b.path));
  return { entries, bytes, skipped: tree.skipped, failures, seconds };
}

async function digestTree(
  fs: FileSystem,
  tree: Tree,
  entries: ManifestEntry[],
  { concurrency, signal }: PassOptions,
  meter: Meter,
): Promise<number> {
  const size = Math.min(concurrency, tree.files.length);
  const buffers = Array.from({ length: size }, () => new ReadBuffer());
  const onBytes = (amount: number): void => {
    meter.bytes += amount;
  };
  let total = 0;
  await workThrough(tree.files, size, signal, async (path, worker) => {
    const buffer = buffers[worker];
    if (buffer === undefined) throw new RangeError('the crew is larger than its buffers');
    try {
      const { followLinks } = tree;
      const result = await digestFile(fs, path, { buffer, followLinks, signal, onBytes });
      if (result.outcome === 'hashed') {
        entries.push({ path, digest: result.digest });
        total += result.bytes;
      } else {
        countSkipped(tree.skipped, result.kind);
      }
    } catch (error) {
      noteFailure(tree.failures, path, error, signal);
    }
    meter.files += 1;
  });
  return total;
}
