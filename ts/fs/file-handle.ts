/** An open file as programs hold it. */

import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import type { BigIntStats as NodeBigIntStats, Stats as NodeStats } from 'node:fs';
import { fileClosed, invalidArgValue, invalidState, locate, systemError } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { Lane, ReadResult, WriteResult } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import { comesInPieces, prepare, readContent, writeContent } from './content.ts';
import { markMissingMethods } from './not-there.ts';
import { checkAborted, readOptions, readSignal } from './options.ts';
import type { Cancellable } from './options.ts';
import { mayAnything } from './path.ts';
import { moveRange } from './pieces.ts';
import { isUsual, rangeArguments, readArguments } from './range.ts';
import type { RangeOptions } from './range.ts';
import { ReadStream } from './read-stream.ts';
import type { OpenPath, StreamOptions } from './read-stream.ts';
import { readResult, writeResult } from '../requests/data.ts';
import type { Content, ContentOptions, ReadFileOptions, StatOptions } from './types.ts';
import * as check from './validate.ts';
import { readInto, writeFrom } from './vectors.ts';
import { webStreamOf } from './web-stream.ts';

const EINVAL = -22;
/** An open file on loan: until it is given back, it stays open whatever becomes of the handle. */
export interface Lent {
  readonly lane: Lane;
  readonly file: OpenFile;
  /** Gives it back. The last one out closes, if closing was asked for. */
  giveBack(): void;
}

/**
 * An open file, in the shape of Node's `FileHandle`.
 *
 * `close()` waits for what is under way. A read that waits for a pipe is ended by it.
 *
 * @example
 * ```ts
 * import { open } from 'wakering/fs';
 *
 * await using file = await open('notes.txt', 'a+');
 * await file.write('one line more\n');
 * ```
 */
export class FileHandle extends EventEmitter {
  readonly #lane: Lane;
  readonly #file: OpenFile;
  #fd: number;
  /** The handle itself, and each `readFile` or `writeFile` under way: the last one out closes. */
  #users = 1;
  #closing: PromiseWithResolvers<void> | undefined;
  /** Whether a web stream has it, or had. */
  #isLocked = false;

  /** Made by `open`. */
  constructor(lane: Lane, file: OpenFile) {
    super();
    this.#lane = lane;
    this.#file = file;
    this.#fd = file.fd;
    forgotten.register(this, { lane, file }, this);
  }

  /** The descriptor, for other interfaces that take one; -1 once the file is closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Reads into a buffer, at the current position or at a given one.
   *
   * @returns How many bytes were read (0 at the end of the file), and the buffer.
   */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<ReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: RangeOptions): Promise<ReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView = NonSharedBuffer>(
    options?: (RangeOptions & { buffer?: T }) | null,
  ): Promise<ReadResult<T>>;
  read(
    first?: NodeJS.ArrayBufferView | (RangeOptions & { buffer?: NodeJS.ArrayBufferView }) | null,
    second?: number | RangeOptions | null,
    third?: number | null,
    fourth?: number | bigint | null,
  ): Promise<ReadResult<NodeJS.ArrayBufferView>> {
    const usual = this.#fd !== -1 && isUsual(first, second, third, fourth);
    if (!usual) return this.#readAny(first, second, third, fourth);
    return this.#lane.readResult(
      this.#file,
      first as Uint8Array,
      second as number,
      third as number,
      fourth as number,
    );
  }

  async #readAny(
    first?: NodeJS.ArrayBufferView | (RangeOptions & { buffer?: NodeJS.ArrayBufferView }) | null,
    second?: number | RangeOptions | null,
    third?: number | null,
    fourth?: number | bigint | null,
  ): Promise<ReadResult<NodeJS.ArrayBufferView>> {
    const file = this.#open('read');
    const { buffer, range } = readArguments(first, second, third, fourth);
    const signal = check.abortSignal(range.signal, 'options.signal');
    const offset = check.integer(range.offset ?? 0, 'offset', 0);
    const length = (range.length ?? buffer.byteLength - offset) | 0;
    const position = check.readPosition(range.position, length);
    if (length === 0) return readResult(0, buffer);
    if (buffer.byteLength === 0) {
      throw invalidArgValue('buffer', buffer, 'is empty and cannot be written');
    }
    check.readRange(offset, length, buffer.byteLength);
    const bytes = check.bytesOf(buffer);
    const call = signal && { signal };
    const bytesRead = await moveRange(
      this.#lane,
      'read',
      file,
      bytes,
      offset,
      length,
      position,
      call,
    );
    return readResult(bytesRead, buffer);
  }

  /**
   * Writes from a buffer or text, at the current position or at a given one.
   *
   * It may write less than all: that many bytes are in the result. `writeFile` writes all.
   */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<WriteResult<T>>;
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    options?: RangeOptions,
  ): Promise<WriteResult<T>>;
  write(
    data: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<WriteResult<string>>;
  write(
    data: NodeJS.ArrayBufferView | string,
    second?: number | RangeOptions | null,
    third?: number | BufferEncoding | null,
    fourth?: number | null,
  ): Promise<WriteResult<NodeJS.ArrayBufferView | string>> {
    const usual = this.#fd !== -1 && isUsual(data, second, third, fourth);
    if (!usual) return this.#writeAny(data, second, third, fourth);
    return this.#lane.writeResult(
      this.#file,
      data as Uint8Array,
      second as number,
      third as number,
      fourth as number,
    );
  }

  async #writeAny(
    data: NodeJS.ArrayBufferView | string,
    second?: number | RangeOptions | null,
    third?: number | BufferEncoding | null,
    fourth?: number | null,
  ): Promise<WriteResult<NodeJS.ArrayBufferView | string>> {
    const file = this.#open('write');
    if (!ArrayBuffer.isView(data)) return this.#writeText(file, data, second, third);
    if (data.byteLength === 0) return writeResult(0, data);
    const range = rangeArguments(second, third, fourth);
    const signal = check.abortSignal(range.signal, 'options.signal');
    const offset = check.integer(range.offset ?? 0, 'offset', 0);
    const length = typeof range.length === 'number' ? range.length : data.byteLength - offset;
    check.writeRange(offset, length, data.byteLength);
    const position = check.writePosition(range.position);
    const bytes = check.bytesOf(data);
    const call = signal && { signal };
    const written = await moveRange(
      this.#lane,
      'write',
      file,
      bytes,
      offset,
      length,
      position,
      call,
    );
    return writeResult(written, data);
  }

  async #writeText(
    file: OpenFile,
    data: unknown,
    position: unknown,
    encoding: unknown,
  ): Promise<WriteResult<string>> {
    const text = check.text(data, 'buffer');
    const bytes = Buffer.from(text, check.textEncoding(text, encoding));
    const at = check.writePosition(position);
    if (bytes.length === 0) return writeResult(0, text);
    const written = await moveRange(
      this.#lane,
      'write',
      file,
      bytes,
      0,
      bytes.length,
      at,
      undefined,
    );
    return writeResult(written, text);
  }

  /** Reads into many buffers, one after the other. */
  async readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options?: Cancellable,
  ): Promise<{ bytesRead: number; buffers: T }> {
    const file = this.#open('readv');
    check.views(buffers);
    if (buffers.length === 0) throw locate(systemError(EINVAL, 'read'));
    const at = check.writePosition(position);
    const work = readInto(this.#lane, file, buffers, at, readSignal(options));
    return bare({ bytesRead: await work, buffers });
  }

  /** Writes many buffers, one after the other, all of them. */
  async writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options?: Cancellable,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    const file = this.#open('writev');
    check.views(buffers);
    const at = check.writePosition(position);
    const work = writeFrom(this.#lane, file, buffers, at, readSignal(options));
    return bare({ bytesWritten: await work, buffers });
  }

  /** Reads from the current position to the end. */
  readFile(
    options?: (ReadFileOptions & { encoding?: null | undefined }) | null,
  ): Promise<NonSharedBuffer>;
  readFile(
    options: BufferEncoding | (ReadFileOptions & { encoding: BufferEncoding }),
  ): Promise<string>;
  readFile(options?: ReadFileOptions | BufferEncoding | null): Promise<string | NonSharedBuffer>;
  async readFile(given?: ReadFileOptions | BufferEncoding | null): Promise<string | Buffer> {
    const file = this.#open('readFile');
    const options = readOptions(given);
    return this.#using(() => readContent(this.#lane, file, options));
  }

  /** Writes all of `data` at the current position; what is behind it stays. */
  async writeFile(data: Content, given?: ContentOptions | BufferEncoding | null): Promise<void> {
    const file = this.#open('writeFile');
    const options = readOptions(given);
    if (!ArrayBuffer.isView(data) && !comesInPieces(data)) check.text(data, 'data');
    const prepared = prepare(data, options);
    return this.#using(() => writeContent(this.#lane, file, prepared, options));
  }

  /** Like {@link writeFile}: only the flag `a` at opening makes a file append. */
  async appendFile(
    data: string | Uint8Array,
    options?: ContentOptions | BufferEncoding | null,
  ): Promise<void> {
    return this.writeFile(data, options);
  }

  /**
   * The file as a `Readable`, from `start` or the current position on; closed at the end, unless
   * `autoClose` is false.
   *
   * @example
   * ```ts
   * import { open } from 'wakering/fs';
   *
   * const file = await open('package.json');
   * for await (const chunk of file.createReadStream({ encoding: 'utf8' })) console.log(chunk);
   * ```
   */
  createReadStream(options?: StreamOptions | BufferEncoding | null): ReadStream {
    return new ReadStream(noPath, undefined, { ...readOptions(options), fd: this });
  }

  /**
   * The lines of the file, without their ends: for `for await`.
   *
   * @example
   * ```ts
   * import { open } from 'wakering/fs';
   *
   * const file = await open('package.json');
   * for await (const line of file.readLines()) console.log(line);
   * ```
   */
  readLines(options?: StreamOptions | BufferEncoding | null): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
  }

  /**
   * The bytes from the current position on as a web stream, whose readers may bring memory of their
   * own (`getReader({ mode: 'byob' })`). A handle has one web stream in its life.
   *
   * @param options - With `autoClose` the handle is closed at the end. Default: it is not.
   * @throws Error with the code `ERR_INVALID_STATE` for a second one, and where it is closed.
   * @example
   * ```ts
   * import { open } from 'wakering/fs';
   *
   * await using file = await open('package.json');
   * for await (const bytes of file.readableWebStream()) console.log(bytes.length);
   * ```
   */
  readableWebStream(
    options: { autoClose?: boolean | undefined; type?: 'bytes' | undefined } = {},
  ): ReadableStream<Uint8Array> {
    if (this.#fd === -1) throw invalidState('The FileHandle is closed');
    if (this.#closing !== undefined) throw invalidState('The FileHandle is closing');
    if (this.#isLocked) throw invalidState('The FileHandle is locked');
    this.#isLocked = true;
    const { autoClose = false } = check.object(options, 'options');
    check.boolean(autoClose, 'options.autoClose');
    return webStreamOf(this, FileHandle.lend(this, 'readableWebStream'), autoClose);
  }

  /** Lends a handle's file to a stream; `operation` is what the error says was tried. */
  static lend(handle: FileHandle, operation: string): Lent {
    const file = handle.#open(operation);
    handle.#users += 1;
    return { lane: handle.#lane, file, giveBack: () => handle.#leave() };
  }

  /** What is known of the file. */
  stat(options?: Cancellable & { bigint?: false | undefined }): Promise<NodeStats>;
  stat(options: Cancellable & { bigint: true }): Promise<NodeBigIntStats>;
  stat(options?: StatOptions): Promise<NodeStats | NodeBigIntStats>;
  async stat(options: StatOptions = {}): Promise<NodeStats | NodeBigIntStats> {
    const file = this.#open('fstat');
    const { bigint } = check.object(options, 'options');
    const call = readSignal(options);
    checkAborted(call?.signal);
    return this.#lane.statFile(file, bigint === true, call);
  }

  /** Waits until content and metadata are on the disk. */
  async sync(): Promise<void> {
    const file = this.#open('fsync');
    mayAnything('fsync');
    await this.#lane.fsync(file);
  }

  /** Waits until the content is on the disk. */
  async datasync(): Promise<void> {
    const file = this.#open('fdatasync');
    mayAnything('fdatasync');
    await this.#lane.fdatasync(file);
  }

  /** Cuts the file, or fills it with zeros, to `length` bytes. */
  async truncate(length: number | null = 0): Promise<void> {
    const file = this.#open('ftruncate');
    const bytes = Math.max(0, check.integer(length, 'len'));
    await this.#lane.ftruncate(file, bytes);
  }

  /**
   * Closes the file when everything under way on it is over; every later call gives the same.
   *
   * A property and no method, so that it can be handed on alone, as Node's can.
   */
  readonly close: () => Promise<void> = () => {
    if (this.#closing !== undefined) return this.#closing.promise;
    if (this.#fd === -1) return Promise.resolve();
    this.#closing = Promise.withResolvers();
    const { promise } = this.#closing;
    this.#leave();
    this.emit('close');
    return promise;
  };

  /** Closes the file: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The file, if it is open; `operation` is what the error says was tried. */
  #open(operation: string): OpenFile {
    if (this.#fd === -1) throw locate(fileClosed(operation));
    return this.#file;
  }

  /** Keeps the file open until `work` is over. */
  async #using<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#fd = -1;
    forgotten.unregister(this);
    const closing = this.#closing;
    this.#lane.close(this.#file).then(
      () => closing?.resolve(),
      (error: CodedError) => {
        // The end of its runtime closed it: there is nothing left to do.
        if (error.code === 'ERR_WAKERING_CLOSED') closing?.resolve();
        else closing?.reject(error);
      },
    );
  }
}

/** Closes the files of handles that nobody can reach any more, and says so. */
const forgotten = new FinalizationRegistry<{ lane: Lane; file: OpenFile }>(({ lane, file }) => {
  const warn = (): void => {
    const message =
      `a FileHandle of descriptor ${file.fd} was not closed and is collected: ` +
      'close handles, or open them with `await using`';
    process.emitWarning(message, { code: 'WAKERING_FORGOTTEN_HANDLE' });
  };
  // Where that fails, its runtime has ended and closed it.
  lane.close(file).then(warn, () => {});
});

markMissingMethods(FileHandle.prototype);

/** A stream of a handle has nothing to open. */
const noPath: OpenPath = () => Promise.reject(fileClosed('open'));

/** An object without a prototype, as Node's results are. */
function bare<T extends object>(fields: T): T {
  return Object.setPrototypeOf(fields, null) as T;
}
