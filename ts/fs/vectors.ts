/** Many buffers in one operation: they are gathered into, or scattered from, one piece of memory. */

import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { moveRange } from './pieces.ts';
import { bytesOf } from './validate.ts';

/** The system takes no more buffers at once (its IOV_MAX). */
const BUFFERS_MAX = 1024;

/** Reads into one buffer after the other, with one operation. */
export async function readInto(
  lane: Lane,
  file: OpenFile,
  buffers: readonly ArrayBufferView[],
  position: number | null,
  call: CallOptions | undefined,
): Promise<number> {
  const taken = buffers.slice(0, BUFFERS_MAX).map(bytesOf);
  const wanted = taken.reduce((sum, bytes) => sum + bytes.length, 0);
  if (wanted === 0) return 0;
  const scratch = Buffer.allocUnsafeSlow(wanted);
  const count = await moveRange(lane, 'read', file, scratch, 0, wanted, position, call);
  const data = scratch.subarray(0, count);
  let from = 0;
  for (const bytes of taken) {
    if (from >= count) break;
    bytes.set(data.subarray(from, from + bytes.length));
    from += bytes.length;
  }
  return count;
}

/** Writes one buffer after the other, all of them. */
export async function writeFrom(
  lane: Lane,
  file: OpenFile,
  buffers: readonly ArrayBufferView[],
  position: number | null,
  call: CallOptions | undefined,
): Promise<number> {
  const data = Buffer.concat(buffers.map(bytesOf));
  let written = 0;
  while (written < data.length) {
    const at = position === null ? null : position + written;
    const length = data.length - written;
    written += await moveRange(lane, 'write', file, data, written, length, at, call);
  }
  return written;
}
