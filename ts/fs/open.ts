/** Opening, and what every call into the lane needs. */

import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { reads, writes } from './open-flags.ts';
import { mayRead, mayWrite } from './path.ts';
import type { Path } from './path.ts';

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
  return lane.open(path, flags, mode, options);
}
