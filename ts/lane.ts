/**
 * Every operation of a runtime, one method each. A method makes the request and starts it; what it
 * returns is a native promise here, and an {@link Op} in {@link OpLane}.
 */

import type { PathLike } from 'node:fs';
import { watch } from './abort.ts';
import type { Buffers } from './buffer.ts';
import { abortError, invalidArgType, locate, outOfRange } from './errors.ts';
import type { BigIntStats, Stats } from './fs/stats.ts';
import { Opcode, OWNED_BYTES_MAX } from './generated/abi.ts';
import { Op } from './op.ts';
import { OpenFile } from './open-file.ts';
import type { Port } from './port.ts';
import type { Request, Sink } from './request.ts';
import { type Position, ReadOwnedRequest, ReadRequest, WriteRequest } from './requests/data.ts';
import { type ReadResult, ReadResultRequest } from './requests/data.ts';
import { type WriteResult, WriteResultRequest } from './requests/data.ts';
import { CloseRequest, type FileCall, FileRequest } from './requests/file.ts';
import { OpenContentRequest, OpenRequest } from './requests/file.ts';
import { BytesRequest, type PathCall, PathRequest } from './requests/path.ts';
import { StatFileRequest, StatPathRequest } from './requests/path.ts';
import { NopRequest, SleepRequest } from './requests/time.ts';

export type { Position, ReadResult, WriteResult } from './requests/data.ts';

/** What every operation takes. */
export interface CallOptions {
  /** Ends the operation early. Aborted already: it never starts. */
  readonly signal?: AbortSignal | undefined;
}

const AT_REMOVEDIR = 0x200;
/** The longest sleep: 2^63 nanoseconds would overflow the kernel's clock; a year is long enough. */
const SLEEP_MS_MAX = 366 * 24 * 3600 * 1000;

/** See the module's text. */
export class Lane {
  protected readonly port: Port;
  readonly #buffers: Buffers;

  /** Made by `Runtime`. */
  constructor(port: Port, buffers: Buffers) {
    this.port = port;
    this.#buffers = buffers;
  }

  /** Starts a request. What it returns is the only thing that differs between the two lanes. */
  protected run<T>(request: Request<T>, options: CallOptions | undefined): Promise<T> {
    const promise = new Promise<T>(catchResolve);
    request.sink = new PromiseSink<T>(resolveCaught as PromiseSink<T>['resolve']);
    begin(this.port, request, options?.signal);
    return promise;
  }

  /** Does nothing, through the whole trip: for measuring. */
  nop(options?: CallOptions): Promise<void> {
    return this.run(new NopRequest(), options);
  }

  /**
   * Waits at least `ms` milliseconds; the value is how many passed.
   *
   * @throws RangeError for a time that is negative, no number, or longer than a year.
   */
  sleep(ms: number, options?: CallOptions): Promise<number> {
    if (typeof ms !== 'number') throw invalidArgType('ms', 'of type number', ms);
    if (!(ms >= 0 && ms <= SLEEP_MS_MAX)) throw outOfRange('ms', `>= 0 && <= ${SLEEP_MS_MAX}`, ms);
    return this.run(new SleepRequest(ms), options);
  }

  /** Opens a file; `flags` are `fs.constants.O_*`. Close-on-exec is always set. */
  open(path: PathLike, flags: number, mode: number, options?: CallOptions): Promise<OpenFile> {
    return this.run(new OpenRequest(path, flags, mode), options);
  }

  /**
   * Opens a file for reading; of a regular file of at most 1 MiB it brings the content and closes
   * it. The value is that, as text where there is an encoding, and the open file for all others.
   */
  openContent(
    path: PathLike,
    flags: number,
    encoding: BufferEncoding | undefined,
    options?: CallOptions,
  ): Promise<Buffer | string | OpenFile> {
    return this.run(new OpenContentRequest(path, flags, encoding), options);
  }

  /** Closes a file after its operations; reads that wait for a pipe or terminal are cancelled. */
  close(file: OpenFile): Promise<number> {
    OpenFile.check(file, this.port);
    return this.run(new CloseRequest(file), undefined);
  }

  /**
   * Reads up to `length` bytes into `view` from `offset` on; how many there were, 0 at the end.
   *
   * @throws RangeError for a range outside `view`, or of more than 64 MiB.
   */
  read(
    file: OpenFile,
    view: Uint8Array,
    offset: number,
    length: number,
    position: Position,
    options?: CallOptions,
  ): Promise<number> {
    OpenFile.check(file, this.port);
    checkRange(view, offset, length);
    const request = new ReadRequest(this.#buffers, file, view, offset, length, position);
    return this.run(request, options);
  }

  /**
   * The usual `FileHandle.read`: of a range that was checked, all in one operation, with the result
   * made where the completion is and no promise in between.
   */
  readResult<T extends Uint8Array>(
    file: OpenFile,
    buffer: T,
    offset: number,
    length: number,
    position: number,
  ): Promise<ReadResult<T>> {
    const buffers = this.#buffers;
    const request = new ReadResultRequest<T>(buffers, file, buffer, offset, length, position);
    return this.run(request, undefined);
  }

  /** The usual `FileHandle.write`, as {@link readResult}. */
  writeResult<T extends Uint8Array>(
    file: OpenFile,
    buffer: T,
    offset: number,
    length: number,
    position: number,
  ): Promise<WriteResult<T>> {
    const buffers = this.#buffers;
    const request = new WriteResultRequest<T>(buffers, file, buffer, offset, length, position);
    return this.run(request, undefined);
  }

  /**
   * Writes `length` bytes of `view` from `offset` on; how many the system took.
   *
   * @throws RangeError for a range outside `view`, or of more than 64 MiB.
   */
  write(
    file: OpenFile,
    view: Uint8Array,
    offset: number,
    length: number,
    position: Position,
    options?: CallOptions,
  ): Promise<number> {
    OpenFile.check(file, this.port);
    checkRange(view, offset, length);
    const request = new WriteRequest(this.#buffers, file, view, offset, length, position);
    return this.run(request, options);
  }

  /**
   * Reads up to `length` bytes into fresh memory.
   *
   * @throws RangeError for a length that is negative or more than 64 MiB.
   */
  readOwned(
    file: OpenFile,
    length: number,
    position: Position,
    options?: CallOptions,
  ): Promise<Buffer> {
    OpenFile.check(file, this.port);
    checkLength(length, OWNED_BYTES_MAX);
    return this.run(new ReadOwnedRequest(file, length, position), options);
  }

  /** Flushes data and metadata to the device. */
  fsync(file: OpenFile, options?: CallOptions): Promise<number> {
    return this.#file(file, { opcode: Opcode.Fsync, syscall: 'fsync' }, options);
  }

  /** Flushes data, and the metadata needed to read it. */
  fdatasync(file: OpenFile, options?: CallOptions): Promise<number> {
    const call = { opcode: Opcode.Fdatasync, syscall: 'fdatasync' };
    return this.#file(file, call, options);
  }

  /** Sets a file's length. */
  ftruncate(file: OpenFile, length: number | bigint, options?: CallOptions): Promise<number> {
    const call = { opcode: Opcode.Ftruncate, syscall: 'ftruncate', offset: length };
    return this.#file(file, call, options);
  }

  /** Reserves `length` bytes from `offset` on; `mode` is fallocate(2)'s. */
  fallocate(
    file: OpenFile,
    mode: number,
    offset: number,
    length: number,
    options?: CallOptions,
  ): Promise<number> {
    const call = { opcode: Opcode.Fallocate, syscall: 'fallocate', offset, length, opFlags: mode };
    return this.#file(file, call, options);
  }

  /** Waits until a pipe, socket or terminal is ready for one of `events` (`POLLIN` is 1). */
  pollAdd(file: OpenFile, events: number, options?: CallOptions): Promise<number> {
    const call = { opcode: Opcode.PollAdd, syscall: 'poll', opFlags: events };
    return this.#file(file, call, options);
  }

  /** Metadata of an open file. */
  statFile(file: OpenFile, bigint: boolean, options?: CallOptions): Promise<Stats | BigIntStats> {
    OpenFile.check(file, this.port);
    return this.run(new StatFileRequest(file, bigint), options);
  }

  /** Metadata of a name; of a link itself where `follow` is false. */
  statPath(
    path: PathLike,
    follow: boolean,
    bigint: boolean,
    options?: CallOptions,
  ): Promise<Stats | BigIntStats> {
    return this.run(new StatPathRequest(path, follow, bigint), options);
  }

  /** Removes a name. */
  unlink(path: PathLike, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Unlinkat, syscall: 'unlink', path }, options);
  }

  /** Removes an empty directory. */
  rmdir(path: PathLike, options?: CallOptions): Promise<number> {
    const opFlags = AT_REMOVEDIR;
    return this.#path({ opcode: Opcode.Unlinkat, syscall: 'rmdir', path, opFlags }, options);
  }

  /** Renames, replacing what is there. */
  rename(path: PathLike, dest: PathLike, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Renameat, syscall: 'rename', path, dest }, options);
  }

  /** Makes one directory. */
  mkdir(path: PathLike, mode: number, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Mkdirat, syscall: 'mkdir', path, mode }, options);
  }

  /** Makes a hard link `dest` to `path`. */
  link(path: PathLike, dest: PathLike, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Linkat, syscall: 'link', path, dest }, options);
  }

  /** Makes a symbolic link `dest` that says `path`. */
  symlink(path: PathLike, dest: PathLike, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Symlinkat, syscall: 'symlink', path, dest }, options);
  }

  /** Checks permissions: `fs.constants.R_OK` and so on. */
  access(path: PathLike, mode: number, options?: CallOptions): Promise<number> {
    return this.#path({ opcode: Opcode.Access, syscall: 'access', path, opFlags: mode }, options);
  }

  /** Copies a file's content and mode; `flags` are `fs.constants.COPYFILE_*`. */
  copyFile(path: PathLike, dest: PathLike, flags: number, options?: CallOptions): Promise<number> {
    const call = { opcode: Opcode.CopyFile, syscall: 'copyfile', path, dest, opFlags: flags };
    return this.#path(call, options);
  }

  /** What a symbolic link says. */
  readlink(path: PathLike, options?: CallOptions): Promise<Buffer> {
    const call = { opcode: Opcode.Readlink, syscall: 'readlink', path };
    return this.run(new BytesRequest(call), options);
  }

  /** The path without links. */
  realpath(path: PathLike, options?: CallOptions): Promise<Buffer> {
    const call = { opcode: Opcode.Realpath, syscall: 'realpath', path };
    return this.run(new BytesRequest(call), options);
  }

  /** A directory's entries, packed: see `DIRENT_HEAD_BYTES`. */
  readdir(path: PathLike, options?: CallOptions): Promise<Buffer> {
    const call = { opcode: Opcode.Readdir, syscall: 'scandir', path };
    return this.run(new BytesRequest(call), options);
  }

  #file(file: OpenFile, call: FileCall, options: CallOptions | undefined): Promise<number> {
    OpenFile.check(file, this.port);
    return this.run(new FileRequest(file, call), options);
  }

  #path(call: PathCall, options: CallOptions | undefined): Promise<number> {
    return this.run(new PathRequest(call), options);
  }
}

/** The same operations; each returns an {@link Op}. */
export type Ops = {
  readonly [K in keyof Lane]: Lane[K] extends (...args: infer A) => Promise<infer T>
    ? (...args: A) => Op<T>
    : never;
};

/** A lane whose methods return Ops. */
class OpLane extends Lane {
  protected override run<T>(request: Request<T>, options: CallOptions | undefined): Promise<T> {
    const { port } = this;
    const op = Op.of(request, port);
    begin(port, request, options?.signal);
    return op as unknown as Promise<T>;
  }
}

/** Makes the lane whose methods return Ops. */
export function createOps(port: Port, buffers: Buffers): Ops {
  return new OpLane(port, buffers) as unknown as Ops;
}

/**
 * Settles a promise. An error gets the stack of whoever waits: where an operation is settled nobody's
 * frames are there to see, so the rejection is made on the way to them, two microtasks later.
 */
class PromiseSink<T> implements Sink<T> {
  readonly resolve: (value: T | PromiseLike<T>) => void;

  constructor(resolve: (value: T | PromiseLike<T>) => void) {
    this.resolve = resolve;
  }

  reject(reason: unknown): void {
    const raise = (): never => {
      throw locate(reason, raise);
    };
    this.resolve(SETTLED.then(nothing).then(raise));
  }
}

/** The function of the promise that was made last: one executor for all is cheaper than a closure. */
let resolveCaught: (value: never) => void;

function catchResolve(resolve: (value: never) => void): void {
  resolveCaught = resolve;
}

const SETTLED = Promise.resolve();

function nothing(): void {}

/** Starts a request, unless its signal says that it is over already. */
function begin<T>(port: Port, request: Request<T>, signal: AbortSignal | undefined): void {
  if (signal !== undefined) {
    if (typeof signal !== 'object' || signal === null || !('aborted' in signal)) {
      throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
    }
    if (signal.aborted) {
      request.settled = true;
      request.sink.reject(abortError(signal));
      return;
    }
    watch(signal, request, port);
  }
  port.start(request);
}

function checkRange(view: Uint8Array, offset: number, length: number): void {
  const { byteLength } = view;
  if (!Number.isInteger(offset) || offset < 0 || offset > byteLength) {
    throw outOfRange('offset', `>= 0 && <= ${byteLength}`, offset);
  }
  checkLength(length, Math.min(byteLength - offset, OWNED_BYTES_MAX));
}

function checkLength(length: number, most: number): void {
  if (!Number.isInteger(length) || length < 0 || length > most) {
    throw outOfRange('length', `>= 0 && <= ${most}`, length);
  }
}
