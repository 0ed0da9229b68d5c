/**
 * The content of a large file, into memory of its whole size.
 *
 * Most of what that costs is not copying: fresh memory comes page by page, and 256 MiB are 65,536
 * page faults. With large pages they are 128, which makes the read three times as fast. Pieces go
 * to the worker loop (or the pool), and while it reads one the last one is brought home.
 */

import { native } from '../native.ts';
import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { checkAborted } from './options.ts';
import { CHUNK_BYTES } from './pieces.ts';

/** Pieces under way at once, where each knows its position. */
const PIECES_AT_ONCE = 3;
/** Smaller memory has hardly a large page in it. */
const LARGE_PAGES_FROM_BYTES = 4 << 20;

/**
 * Reads what is left of a file whose size is known; it may have shrunk meanwhile, and what it grew
 * by is not read.
 *
 * @param first - Its first bytes, which were read already.
 * @param isFresh - Whether nothing but `first` was read since it was opened: then the position of
 *   each piece is known, and several are read at once. Otherwise it is read where it stands.
 */
export async function readSized(
  lane: Lane,
  file: OpenFile,
  first: Buffer,
  size: number,
  isFresh: boolean,
  call: CallOptions | undefined,
): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(size);
  if (size >= LARGE_PAGES_FROM_BYTES) native().wishLargePages(whole);
  whole.set(first);
  let next = first.length;
  let end = size;

  /** Reads from `from` to `to`, or to the end of the file; how far that was. */
  const readPiece = async (from: number, to: number): Promise<number> => {
    let at = from;
    while (at < to) {
      checkAborted(call?.signal);
      const bytes = await lane.read(file, whole, at, to - at, isFresh ? at : null, call);
      if (bytes === 0) break;
      at += bytes;
    }
    return at;
  };
  const readPieces = async (): Promise<void> => {
    while (next < end) {
      const from = next;
      next = Math.min(from + CHUNK_BYTES, size);
      const to = next;
      const reached = await readPiece(from, to);
      // What others find behind the end was written after this was read.
      if (reached < to) end = Math.min(end, reached);
    }
  };
  const readers = Array.from({ length: isFresh ? PIECES_AT_ONCE : 1 }, readPieces);
  try {
    await Promise.all(readers);
  } catch (error) {
    // The others begin nothing more.
    next = size;
    throw error;
  }
  return end === size ? whole : whole.subarray(0, end);
}
