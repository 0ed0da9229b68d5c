/** The whole content of an open file, read or written from its current position on. */

import { locate, systemError } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { answer } from './open.ts';
import { checkAborted } from './options.ts';
import type { Path } from './path.ts';
import type { Content, ContentOptions, ReadFileOptions } from './types.ts';
import { bytesOf } from './validate.ts';

/** How much the first read asks for: most files end within it. */
const FIRST_BYTES = 64 * 1024;
/** How much one operation moves; between two of them an abort is noticed. */
const CHUNK_BYTES = 512 * 1024;
/** Node reads no larger file in one piece. */
const FILE_BYTES_MAX = 2 ** 31 - 1;

/**
 * Reads to the end of the file.
 *
 * The first read goes out together with the `fstat`, so that a small file takes one round. A read
 * that came short does not mean the end (files in /proc are given out in pieces), but the size of a
 * regular file or a read of nothing do.
 *
 * @param path - Named in errors where the file was opened by its path.
 */
export async function readContent(
  lane: Lane,
  file: OpenFile,
  options: ReadFileOptions,
  path?: Path,
): Promise<string | Buffer> {
  const { signal, encoding } = options;
  const call = { signal };
  checkAborted(signal);
  const [first, stats] = await Promise.all([
    answer(lane.readOwned(file, FIRST_BYTES, null, call)),
    answer(lane.statFile(file, false, call)),
  ]).catch((error: CodedError) => {
    throw withPath(error, path);
  });
  const size = stats.isFile() ? Number(stats.size) : 0;
  if (size > FILE_BYTES_MAX) throw tooLarge(size);
  let whole = first;
  if (first.length > 0 && size === 0) whole = await readPieces(lane, file, first, call);
  else if (first.length > 0 && first.length < size) {
    whole = await readSized(lane, file, first, size, call);
  }
  checkAborted(signal);
  return encoding ? whole.toString(encoding) : whole;
}

/** Reads what is left of a file whose size is known; it may have shrunk meanwhile. */
async function readSized(
  lane: Lane,
  file: OpenFile,
  first: Buffer,
  size: number,
  call: CallOptions,
): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(size);
  whole.set(first);
  let filled = first.length;
  while (filled < size) {
    checkAborted(call.signal);
    const length = Math.min(CHUNK_BYTES, size - filled);
    const bytes = await answer(lane.read(file, whole, filled, length, null, call));
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled === size ? whole : whole.subarray(0, filled);
}

/** Reads what has no size, until a read gives nothing. */
async function readPieces(
  lane: Lane,
  file: OpenFile,
  first: Buffer,
  call: CallOptions,
): Promise<Buffer> {
  const pieces = [first];
  for (;;) {
    checkAborted(call.signal);
    const piece = await answer(lane.readOwned(file, FIRST_BYTES, null, call));
    if (piece.length === 0) break;
    pieces.push(piece);
  }
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}

/** A failed `read` names no path; who opened the file by one knows it. */
function withPath(error: CodedError, path: Path | undefined): Error {
  const { errno, syscall } = error;
  if (path === undefined || errno === undefined || syscall === undefined) return error;
  return locate(systemError(errno, syscall, path));
}

function tooLarge(size: number): RangeError {
  const error = new RangeError(`File size (${size}) is greater than 2 GiB`);
  return Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
}

/** Writes all of it, piece by piece where it comes in pieces. */
export async function writeContent(
  lane: Lane,
  file: OpenFile,
  data: Content,
  options: ContentOptions,
): Promise<void> {
  const { signal, encoding } = options;
  checkAborted(signal);
  if (typeof data === 'string' || ArrayBuffer.isView(data)) {
    await writeBytes(lane, file, toBytes(data, encoding), signal);
    return;
  }
  for await (const piece of data) {
    checkAborted(signal);
    await writeBytes(lane, file, toBytes(piece, encoding), signal);
  }
}

function toBytes(
  data: string | ArrayBufferView,
  encoding: BufferEncoding | null | undefined,
): Uint8Array {
  return ArrayBuffer.isView(data) ? bytesOf(data) : Buffer.from(data, encoding || 'utf8');
}

async function writeBytes(
  lane: Lane,
  file: OpenFile,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    checkAborted(signal);
    const length = Math.min(CHUNK_BYTES, bytes.length - written);
    written += await answer(lane.write(file, bytes, written, length, null, { signal }));
  }
}

/** Whether `data` comes in pieces. */
export function comesInPieces(data: unknown): boolean {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false;
  return Symbol.iterator in data || Symbol.asyncIterator in data;
}

/** Runs `work` and closes the file after it, whatever came of it. The first error is the one told. */
export async function thenClose<T>(lane: Lane, file: OpenFile, work: Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work;
  } catch (error) {
    // The file is given up: what closing it says adds nothing to what went wrong before.
    await lane.close(file).catch(() => {});
    throw error;
  }
  await answer(lane.close(file));
  return result;
}
