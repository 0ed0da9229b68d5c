/** Removing a file, or a folder with everything in it. */

import { setTimeout as pause } from 'node:timers/promises';
import { isDirectoryError } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { CallOptions, Lane } from '../lane.ts';
import { Kind } from './dirent.ts';
import { checkAborted, readSignal } from './options.ts';
import { joined, mayRead, mayWrite } from './path.ts';
import type { Path } from './path.ts';
import { nameBytes, readEntries } from './readdir.ts';
import type { Entry } from './readdir.ts';
import type { RemoveOptions } from './types.ts';
import * as check from './validate.ts';

/** How many entries of a folder are removed at once. */
const ENTRIES_AT_ONCE = 64;
/** What a removal says of a folder that is not empty. */
const NOT_EMPTY: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM']);
/** What may pass with time. */
const MAY_PASS: ReadonlySet<string> = new Set(['EBUSY', 'EMFILE', 'ENFILE', 'ENOTEMPTY', 'EPERM']);

interface Removal {
  readonly lane: Lane;
  readonly call: CallOptions | undefined;
  readonly retriesMax: number;
  readonly delayMs: number;
}

/** Removes `path`. */
export async function remove(
  lane: Lane,
  path: Path,
  given: RemoveOptions | undefined,
): Promise<void> {
  const options = given === undefined ? {} : check.object(given, 'options');
  const force = check.boolean(options.force ?? false, 'options.force');
  const recursive = check.boolean(options.recursive ?? false, 'options.recursive');
  const delayMs = check.int32(options.retryDelay ?? 100, 'options.retryDelay', 0);
  const retriesMax = check.uint32(options.maxRetries ?? 0, 'options.maxRetries');
  const call = readSignal(options);
  mayRead(path);
  mayWrite(path);
  let isFolder: boolean;
  try {
    isFolder = (await lane.statPath(path, false, false, call)).isDirectory();
  } catch (error) {
    if (force && isGone(error)) return;
    throw error;
  }
  if (isFolder && !recursive) throw isDirectoryError(path);
  await insist({ lane, call, retriesMax, delayMs }, path, isFolder);
}

/** Removes a tree, for those who made it: no checks, no retries. */
export function removeTree(lane: Lane, path: Path): Promise<void> {
  return insist({ lane, call: undefined, retriesMax: 0, delayMs: 0 }, path, true);
}

/** Tries again, each time after a longer pause, while the reason may pass. Gone is removed. */
async function insist(removal: Removal, path: Path, isFolder: boolean): Promise<void> {
  for (let retries = 0; ; retries += 1) {
    checkAborted(removal.call?.signal);
    try {
      return await (isFolder ? removeFolder(removal, path) : removeFile(removal, path));
    } catch (error) {
      if (isGone(error)) return;
      const { code } = error as CodedError;
      if (!MAY_PASS.has(code) || retries >= removal.retriesMax) throw error;
      await pause((retries + 1) * removal.delayMs, undefined, removal.call);
    }
  }
}

async function removeFile(removal: Removal, path: Path): Promise<void> {
  const { lane, call } = removal;
  try {
    await lane.unlink(path, call);
  } catch (error) {
    // It became a folder meanwhile, or it always was one and its kind was not told.
    const { code } = error as CodedError;
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
    await removeFolder(removal, path, error);
  }
}

/** `failure` is what `unlink` said, and what is told when `path` is no folder after all. */
async function removeFolder(removal: Removal, path: Path, failure?: unknown): Promise<void> {
  const { lane, call } = removal;
  try {
    await lane.rmdir(path, call);
    return;
  } catch (error) {
    const { code } = error as CodedError;
    if (code === 'ENOTDIR' && failure !== undefined) throw failure;
    if (code === 'ENOTDIR') return removeFile(removal, path);
    if (!NOT_EMPTY.has(code)) throw error;
  }
  await removeEntries(removal, path, await readEntries(lane, path, call));
  await lane.rmdir(path, call);
}

/** Files many at a time, folders one after the other, so that what is under way stays bounded. */
async function removeEntries(
  removal: Removal,
  folder: Path,
  entries: readonly Entry[],
): Promise<void> {
  const pathOf = (entry: Entry): Path => joined(Buffer.from(folder as string), nameBytes(entry));
  const files = entries.filter((entry) => entry.kind !== Kind.Directory);
  for (let from = 0; from < files.length; from += ENTRIES_AT_ONCE) {
    const outcomes = await Promise.allSettled(
      files.slice(from, from + ENTRIES_AT_ONCE).map((file) => insist(removal, pathOf(file), false)),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
  for (const entry of entries) {
    if (entry.kind === Kind.Directory) await insist(removal, pathOf(entry), true);
  }
}

function isGone(error: unknown): boolean {
  return (error as CodedError).code === 'ENOENT';
}
