/** Opening, and what every call into the lane needs. */

import { locate } from '../errors.ts';
import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { reads, writes } from './open-flags.ts';
import { mayRead, mayWrite } from './path.ts';
import type { Path } from './path.ts';

/**
 * What the lane answers, an error with the stack of whoever waits for it: where an operation is
 * settled, nobody's frames are there to see.
 */
export function answer<T>(promise: Promise<T>): Promise<T> {
  return promise.then(undefined, rethrow);
}

function rethrow(error: unknown): never {
  throw locate(error, rethrow);
}

/** Opens a path that was checked, if Node's permission model allows it. */
export function openChecked(
  lane: Lane,
  path: Path,
  flags: number,
  mode: number,
  options: CallOptions | undefined,
): Promise<OpenFile> {
  if (reads(flags)) mayRead(path);
  if (writes(flags)) mayWrite(path);
  return answer(lane.open(path, flags, mode, options));
}
