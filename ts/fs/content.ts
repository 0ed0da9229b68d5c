/** The whole content of an open file, read or written from its current position on. */

import { locate, systemError } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { CallOptions, Lane } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { readSized } from './large-file.ts';
import { checkAborted } from './options.ts';
import type { Path } from './path.ts';
import { CHUNK_BYTES } from './pieces.ts';
import type { Content, ContentOptions, ReadFileOptions } from './types.ts';
import { bytesOf } from './validate.ts';

/** How much the first read asks for: most files end within it. */
const FIRST_BYTES = 64 * 1024;
/** Node reads no larger file in one piece. */
const FILE_BYTES_MAX = 2 ** 31 - 1;

/**
 * Memory for first reads, used again and again: fresh memory of that size costs more than the read
 * of a small file, whose content then goes into memory of its own size (or becomes text at once).
 */
const scratches: Buffer[] = [];
const SCRATCHES_MAX = 32;

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
  checkAborted(signal);
  const call = signal && { signal };
  const scratch = scratches.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
  const reading = lane.read(file, scratch, 0, FIRST_BYTES, null, call);
  const looking = lane.statFile(file, false, call);
  // It may fail first, and is waited for second.
  looking.catch(ignore);
  try {
    const bytes = await reading;
    const stats = await looking;
    checkAborted(signal);
    const first = scratch.subarray(0, bytes);
    const size = stats.isFile() ? Number(stats.size) : 0;
    if (size > FILE_BYTES_MAX) throw tooLarge(size);
    if (first.length > 0 && size === 0) {
      return finished(await readPieces(lane, file, first, scratch, call), encoding);
    }
    if (first.length > 0 && first.length < size) {
      const isFresh = path !== undefined;
      return finished(await readSized(lane, file, first, size, isFresh, call), encoding);
    }
    return encoding ? first.toString(encoding) : copied(first);
  } catch (error) {
    throw withPath(error, path);
  } finally {
    // The read is over, so nobody writes to it any more.
    if (scratches.length < SCRATCHES_MAX) scratches.push(scratch);
  }
}

function finished(whole: Buffer, encoding: BufferEncoding | null | undefined): string | Buffer {
  return encoding ? whole.toString(encoding) : whole;
}

/** The bytes in memory of their own. */
function copied(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

/** Reads what has no size, until a read gives nothing. */
async function readPieces(
  lane: Lane,
  file: OpenFile,
  first: Buffer,
  scratch: Buffer,
  call: CallOptions | undefined,
): Promise<Buffer> {
  const pieces = [copied(first)];
  for (;;) {
    checkAborted(call?.signal);
    const bytes = await lane.read(file, scratch, 0, FIRST_BYTES, null, call);
    if (bytes === 0) return Buffer.concat(pieces);
    pieces.push(copied(scratch.subarray(0, bytes)));
  }
}

/** A failed `read` names no path; who opened the file by one knows it. */
function withPath(error: unknown, path: Path | undefined): unknown {
  const { errno, syscall } = error as CodedError;
  if (path === undefined || errno === undefined || syscall === undefined) return locate(error);
  return locate(systemError(errno, syscall, path));
}

function ignore(): void {}

function tooLarge(size: number): RangeError {
  const error = new RangeError(`File size (${size}) is greater than 2 GiB`);
  return Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
}

/** What is to be written, as it was when the program handed it over. */
export type Prepared = Whole | Exclude<Content, string | ArrayBufferView>;

/** Bytes, and how many there were: a buffer may be detached or cut before it is written. */
class Whole {
  readonly bytes: Uint8Array;
  readonly length: number;

  constructor(data: string | ArrayBufferView, encoding: BufferEncoding | null | undefined) {
    this.bytes = ArrayBuffer.isView(data) ? bytesOf(data) : Buffer.from(data, encoding || 'utf8');
    this.length = this.bytes.length;
  }
}

/** Looks at the data while it is what the program meant: before anything is waited for. */
export function prepare(data: Content, { encoding }: ContentOptions): Prepared {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return new Whole(data, encoding);
  return data;
}

/** Writes all of it, piece by piece where it comes in pieces. */
export async function writeContent(
  lane: Lane,
  file: OpenFile,
  data: Prepared,
  options: ContentOptions,
): Promise<void> {
  const { signal, encoding } = options;
  checkAborted(signal);
  if (data instanceof Whole) return writeWhole(lane, file, data, signal);
  for await (const piece of data) {
    checkAborted(signal);
    await writeWhole(lane, file, new Whole(piece, encoding), signal);
  }
}

async function writeWhole(
  lane: Lane,
  file: OpenFile,
  { bytes, length }: Whole,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = signal && { signal };
  let written = 0;
  while (written < length) {
    checkAborted(signal);
    if (bytes.length < length) throw locate(lostData(written, length));
    const count = Math.min(CHUNK_BYTES, length - written);
    written += await lane.write(file, bytes, written, count, null, call);
  }
}

function lostData(written: number, length: number): Error {
  const message =
    'the data was detached or made smaller before it was written: ' +
    `${written} of ${length} bytes are in the file`;
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
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
    await lane.close(file).catch(ignore);
    throw error;
  }
  await lane.close(file);
  return result;
}
