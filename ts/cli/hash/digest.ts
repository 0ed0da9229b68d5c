/**
 * SHA-256 of one file, read in bounded pieces.
 *
 * A file up to {@link SMALL} bytes takes one read and one hash call; a larger one is read in
 * pieces of {@link PIECE} bytes, so that no file is ever whole in memory.
 */

import { createHash, hash } from 'node:crypto';
import { constants } from 'node:fs';
import { hasCode } from '../exit.ts';
import type { FileSystem, Kind, OpenFile } from './file-system.ts';

const SMALL = 64 * 1024;
const PIECE = 1024 * 1024;

/**
 * What a walk saw as a regular file may be something else by the time it is opened: NONBLOCK so
 * that a FIFO cannot hold us, NOCTTY so that a terminal cannot adopt us, NOFOLLOW so that a link
 * cannot lead us out of the tree.
 */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** The memory that one worker reads into: small until it meets a larger file. */
export class ReadBuffer {
  #memory: Buffer = Buffer.allocUnsafeSlow(SMALL);

  /** At least a piece for a file of `size` bytes; the content of the last one is gone. */
  for(size: number): Buffer {
    if (size >= SMALL && this.#memory.length < PIECE) this.#memory = Buffer.allocUnsafeSlow(PIECE);
    return this.#memory;
  }
}

/** What came of hashing a file. */
export type FileDigest =
  | { readonly outcome: 'hashed'; readonly digest: string; readonly bytes: number }
  /** It is no regular file any more. */
  | { readonly outcome: 'skipped'; readonly kind: Kind };

/** How to hash a file. */
export interface DigestOptions {
  readonly buffer: ReadBuffer;
  readonly followLinks: boolean;
  readonly signal: AbortSignal;
  /** Hears how many bytes each read brought. */
  readonly onBytes: (amount: number) => void;
}

/** Hashes what the regular file at `path` holds. What another program appends meanwhile counts. */
export async function digestFile(
  fs: FileSystem,
  path: Buffer,
  options: DigestOptions,
): Promise<FileDigest> {
  let file: OpenFile;
  try {
    const flags = options.followLinks ? OPEN_FLAGS : OPEN_FLAGS | constants.O_NOFOLLOW;
    file = await fs.open(path, flags, 0, { signal: options.signal });
  } catch (error) {
    const kind = await replacement(fs, path, error);
    if (kind !== undefined) return { outcome: 'skipped', kind };
    throw error;
  }
  try {
    return await digestOpenFile(fs, file, options);
  } finally {
    await file.close();
  }
}

/** What now stands where a regular file was, if that explains why it would not open. */
async function replacement(
  fs: FileSystem,
  path: Buffer,
  error: unknown,
): Promise<Kind | undefined> {
  // ELOOP: a link, and we do not follow. ENXIO: a socket, or a device without hardware.
  if (!hasCode(error, 'ELOOP') && !hasCode(error, 'ENXIO')) return undefined;
  const kind = await fs.lstat(path).catch(() => undefined);
  return kind === undefined || kind.isFile() || kind.isDirectory() ? undefined : kind;
}

async function digestOpenFile(
  fs: FileSystem,
  file: OpenFile,
  options: DigestOptions,
): Promise<FileDigest> {
  // Without the signal: it is done in no time, and on Node's side listening would cost more.
  const status = await file.stat();
  // A directory is no "kind to skip": its read fails with EISDIR, which is the truth about it.
  if (!status.isFile() && !status.isDirectory()) return { outcome: 'skipped', kind: status };
  try {
    return await digestContent(file, status.size, options);
  } catch (error) {
    if (!hasCode(error, 'EAGAIN')) throw error;
    // Old kernels take O_NONBLOCK on a regular file at its word. It is one, so it can be opened
    // again without; /proc/self/fd names this very file, whatever its path leads to by now.
    const again = await fs.open(Buffer.from(`/proc/self/fd/${file.fd}`), constants.O_RDONLY);
    try {
      return await digestContent(again, status.size, options);
    } finally {
      await again.close();
    }
  }
}

/**
 * Reads to the end of the file. `size` is a hint: files grow and shrink, and those of /proc say 0,
 * so only a read that ends where the size said, or one that brings nothing, is the end.
 */
async function digestContent(
  file: OpenFile,
  size: number,
  { buffer, signal, onBytes }: DigestOptions,
): Promise<FileDigest> {
  const memory = buffer.for(size);
  // One byte more than expected: a read that comes back short has seen the end.
  const length = size > 0 && size < memory.length ? size + 1 : memory.length;
  const read = async (position: number): Promise<number> => {
    // Node's reads take no signal.
    signal.throwIfAborted();
    const { bytesRead } = await file.read(memory, { offset: 0, length, position, signal });
    onBytes(bytesRead);
    return bytesRead;
  };

  let amount = await read(0);
  if (amount === 0 || (amount === size && amount < length)) {
    const digest = hash('sha256', memory.subarray(0, amount), 'hex');
    return { outcome: 'hashed', digest, bytes: amount };
  }
  const running = createHash('sha256');
  let position = 0;
  while (amount > 0) {
    running.update(memory.subarray(0, amount));
    position += amount;
    if (position === size && amount < length) break;
    amount = await read(position);
  }
  return { outcome: 'hashed', digest: running.digest('hex'), bytes: position };
}
