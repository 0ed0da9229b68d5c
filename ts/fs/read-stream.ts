/** `createReadStream`: a file as a `Readable`, in the shape of Node's `fs.ReadStream`. */

import type { Mode, OpenMode, PathLike } from 'node:fs';
import { addAbortSignal, finished, Readable } from 'node:stream';
import { invalidArgType, locate, outOfRange, unsupported } from '../errors.ts';
import { FileHandle } from './file-handle.ts';
import type { Lent } from './file-handle.ts';
import { readOptions } from './options.ts';
import type { Cancellable } from './options.ts';
import { toPath } from './path.ts';
import type { Path } from './path.ts';
import { isNonBlocking, ReadAhead } from './read-ahead.ts';
import { openFlags } from './open-flags.ts';
import * as check from './validate.ts';

const HIGH_WATER_MARK = 64 * 1024;

/** Which part of a file a stream reads, and how. */
export interface StreamOptions extends Cancellable {
  /** Text in this encoding instead of `Buffer`s. */
  encoding?: BufferEncoding | null | undefined;
  /** Whether the file is closed at the end and after an error. Default: `true`. */
  autoClose?: boolean | undefined;
  /** Whether `'close'` is emitted. Default: `true`. */
  emitClose?: boolean | undefined;
  /** The first byte. Default: the current position; of a path, the beginning. */
  start?: number | undefined;
  /** The last byte, which is read too. Default: `Infinity`. */
  end?: number | undefined;
  /** Bytes in a chunk at the most, and how many wait for the consumer. Default: 65,536. */
  highWaterMark?: number | undefined;
}

/** Options of `createReadStream`. */
export interface ReadStreamOptions extends StreamOptions {
  /** Default: `'r'`. */
  flags?: OpenMode | undefined;
  /** Permission bits of a file that is made. Default: `0o666`. */
  mode?: Mode | undefined;
  /** An open file, which is read instead of the path. */
  fd?: FileHandle | null | undefined;
}

/** Opens a path for a stream. */
export type OpenPath = (
  path: Path,
  flags: OpenMode,
  mode: Mode,
  signal: AbortSignal,
) => Promise<FileHandle>;

/**
 * A file as a stream. `createReadStream` makes it.
 *
 * Up to four chunks are read ahead of the consumer while it keeps up; regular files only, where the
 * position is known. `destroy()`, an aborted `signal` and leaving a `for await` loop end what is
 * under way and close the file; `'close'` comes when its descriptor is closed.
 */
export class ReadStream extends Readable {
  /** What was opened; `undefined` where there was an open file. */
  declare readonly path: string | Buffer;
  /** How it is opened. */
  declare readonly flags: OpenMode;
  /** The permission bits of a file that is made. */
  declare readonly mode: Mode;
  /** The descriptor; `null` before the file is open and after it is closed. */
  fd: number | null;
  /** The first byte. */
  readonly start: number | undefined;
  /** The last byte. */
  readonly end: number;
  /** Where the next chunk comes from, if `start` was given. */
  pos: number | undefined;
  /** Bytes that were delivered so far, or wait in the stream's buffer. */
  bytesRead = 0;

  readonly #open: OpenPath;
  readonly #stop = new AbortController();
  #handle: FileHandle | undefined;
  #lent: Lent | undefined;
  #ahead: ReadAhead | undefined;

  /** Made by `createReadStream`. */
  constructor(
    open: OpenPath,
    path: PathLike | undefined,
    given: ReadStreamOptions | BufferEncoding | null | undefined,
  ) {
    const { signal, ...options } = readOptions(given);
    const handle = handleOf(options);
    const where = handle === undefined ? toPath(path as PathLike) : undefined;
    if (handle !== undefined) check.integer(handle.fd, 'fd', 0, 2 ** 31 - 1);
    const { start, end = Infinity } = options;
    checkExtent(start, end);
    super({
      ...onlyOfReadable(options),
      highWaterMark: options.highWaterMark ?? HIGH_WATER_MARK,
      autoDestroy: options.autoClose ?? true,
    });
    this.#open = open;
    this.fd = handle?.fd ?? null;
    if (where !== undefined) {
      this.path = where;
      this.flags = options.flags ?? 'r';
      this.mode = options.mode ?? 0o666;
    }
    this.start = start;
    this.end = end;
    this.pos = start;
    if (handle !== undefined) this.#borrow(handle);
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  /** Whether the file is still to be opened. */
  get pending(): boolean {
    return this.fd === null;
  }

  /** Whether the file is closed at the end and after an error. */
  get autoClose(): boolean {
    return stateOf(this).autoDestroy;
  }

  /** Sets {@link autoClose}. */
  set autoClose(value: boolean) {
    stateOf(this).autoDestroy = value;
  }

  /** Ends the stream; `callback` is called when the file is closed. */
  close(callback?: (error?: NodeJS.ErrnoException | null) => void): void {
    if (typeof callback === 'function') finished(this, callback);
    this.destroy();
  }

  /** Ends the stream, and what is under way. */
  override destroy(error?: Error): this {
    this.#stop.abort();
    return super.destroy(error);
  }

  /** Opens the file. The stream calls it. */
  override _construct(callback: (error?: Error | null) => void): void {
    void this.#construct(callback);
  }

  async #construct(callback: (error?: Error | null) => void): Promise<void> {
    let isOpened: boolean;
    try {
      isOpened = await this.#begin();
    } catch (error) {
      // Who destroyed it meanwhile knows why; the end of the open is no news.
      callback(this.destroyed ? undefined : locate(error as Error));
      return;
    }
    callback();
    if (!isOpened) return;
    this.emit('open', this.fd);
    this.emit('ready');
  }

  /** Whether a file was opened for it. */
  async #begin(): Promise<boolean> {
    const { signal } = this.#stop;
    if (signal.aborted) return false;
    let nonBlocking = false;
    const isOpened = this.#lent === undefined;
    if (isOpened) {
      nonBlocking = isNonBlocking(openFlags(this.flags));
      this.#borrow(await this.#open(this.path as Path, this.flags, this.mode, signal));
    }
    const { lane, file } = this.#lent as Lent;
    const { start = null, end } = this;
    const bytes = end - (start ?? 0) + 1;
    const pieceBytes = this.readableHighWaterMark;
    const extent = { start, bytes, pieceBytes, fresh: isOpened, nonBlocking };
    this.#ahead = await ReadAhead.of(lane, file, extent, signal);
    return isOpened;
  }

  #borrow(handle: FileHandle): void {
    this.#handle = handle;
    this.#lent = FileHandle.lend(handle, 'createReadStream');
    this.fd = handle.fd;
    handle.once('close', this.#whenClosed);
  }

  readonly #whenClosed = (): void => {
    this.destroy();
  };

  /** Gives the next chunk, now or when it is there. The stream calls it. */
  override _read(): void {
    this.#readOn();
  }

  readonly #readOn = (): void => {
    if (this.destroyed) return;
    const ahead = this.#ahead as ReadAhead;
    let bytes: Buffer | null | undefined;
    try {
      bytes = ahead.take();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (bytes === null) {
      ahead.whenThere(this.#readOn);
      return;
    }
    if (bytes !== undefined) {
      this.bytesRead += bytes.length;
      if (this.pos !== undefined) this.pos += bytes.length;
    }
    this.push(bytes ?? null);
  };

  #fail(error: Error): void {
    locate(error);
    if (this.autoClose) this.destroy(error);
    else this.emit('error', error);
  }

  /** Closes the file, when what is under way is over. The stream calls it. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    void this.#close(error, callback);
  }

  async #close(error: Error | null, callback: (error?: Error | null) => void): Promise<void> {
    const handle = this.#handle;
    handle?.off('close', this.#whenClosed);
    this.#lent?.giveBack();
    let failed: Error | undefined;
    try {
      await handle?.close();
      this.fd = null;
    } catch (reason) {
      failed = reason as Error;
    }
    callback(error ?? failed);
  }
}

function handleOf({ fd, ...options }: ReadStreamOptions): FileHandle | undefined {
  if ('fs' in options && options.fs !== undefined) {
    throw unsupported("createReadStream's option `fs`", 'use the one of node:fs for that');
  }
  if (fd === undefined || fd === null) return undefined;
  if (fd instanceof FileHandle) return fd;
  if (typeof fd === 'number') {
    const instead = 'pass a FileHandle of wakering/fs; a bare descriptor belongs to no runtime';
    throw unsupported("createReadStream's option `fd` as a number", instead);
  }
  throw invalidArgType('options.fd', 'of type number or an instance of FileHandle', fd);
}

function checkExtent(start: unknown, end: unknown): void {
  if (start !== undefined) check.integer(start, 'start', 0);
  if (end === Infinity) return;
  const last = check.integer(end, 'end', 0);
  if (start !== undefined && (start as number) > last) {
    throw outOfRange('start', `<= "end" (here: ${last})`, start);
  }
}

/** What `Readable` is to see of the options: functions in them would take the place of ours. */
function onlyOfReadable({ encoding, emitClose }: StreamOptions): object {
  return { ...(encoding && { encoding }), ...(emitClose !== undefined && { emitClose }) };
}

/** Node keeps `autoClose` there, and so do the streams that programs know. */
function stateOf(stream: Readable): { autoDestroy: boolean } {
  return Reflect.get(stream, '_readableState') as { autoDestroy: boolean };
}
