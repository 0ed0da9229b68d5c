/** Transfers of any length: what is more than one operation takes goes in pieces, in order. */

import type { CallOptions, Lane, Position } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';

/** What one operation moves at the most: the runtime holds as many bytes meanwhile. */
export const PIECE_BYTES: number = 8 << 20;

/** What one operation of a whole file moves; between two of them an abort is noticed. */
export const CHUNK_BYTES: number = 512 * 1024;

/** Reads or writes `length` bytes, or as many of them as there are or the system takes. */
export function moveRange(
  lane: Lane,
  way: 'read' | 'write',
  file: OpenFile,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: Position,
  call: CallOptions | undefined,
): Promise<number> {
  if (length <= PIECE_BYTES) {
    return lane[way](file, bytes, offset, length, position, call);
  }
  return inPieces(length, (done, piece) =>
    lane[way](file, bytes, offset + done, piece, further(position, done), call),
  );
}

/**
 * One piece after the other, until one comes short. Where a later piece fails, what the earlier
 * ones moved is the answer, as a system call's would be.
 */
async function inPieces(
  length: number,
  move: (done: number, piece: number) => Promise<number>,
): Promise<number> {
  let done = 0;
  while (done < length) {
    const piece = Math.min(PIECE_BYTES, length - done);
    let moved: number;
    try {
      moved = await move(done, piece);
    } catch (error) {
      if (done > 0) break;
      throw error;
    }
    done += moved;
    if (moved < piece) break;
  }
  return done;
}

function further(position: Position, bytes: number): Position {
  if (position === null) return null;
  return typeof position === 'bigint' ? position + BigInt(bytes) : position + bytes;
}
