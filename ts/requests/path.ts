/** Requests on names: one path or two, and whatever the system calls them. */

import type { PathLike } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { systemError } from '../errors.ts';
import { decodeBigIntStats, decodeStats, type BigIntStats, type Stats } from '../fs/stats.ts';
import { Completion, Descriptor, HANDLE_NONE, Opcode, PATH_BYTES_MAX } from '../generated/abi.ts';
import type { OpenFile } from '../open-file.ts';
import type { Port } from '../port.ts';
import { Request } from '../request.ts';
import { putFile } from './data.ts';

/** A path as it goes into the arena. */
export type PathBytes = string | Uint8Array;

const ENAMETOOLONG = -constants.errno.ENAMETOOLONG;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_ALL = 0xfff;

/** A path without its wrapping. */
export function pathBytes(path: PathLike): PathBytes {
  return path instanceof URL ? fileURLToPath(path) : path;
}

/** At most so many bytes in the arena. */
export function pathBound(path: PathBytes): number {
  return typeof path === 'string' ? path.length * 3 : path.length;
}

/** Puts one path or two into the arena and takes the descriptor; the word at which it begins. */
export function putPaths(
  port: Port,
  slot: number,
  opcode: number,
  first: PathBytes,
  second?: PathBytes,
): number {
  const firstStart = port.putPath(first);
  const firstEnd = port.arenaTop;
  const secondStart = second === undefined ? firstEnd : port.putPath(second);
  const secondEnd = port.arenaTop;
  const at = port.descriptor(slot, opcode);
  const { words } = port;
  words[at + Descriptor.HANDLE] = HANDLE_NONE;
  words[at + Descriptor.ARGS] = firstStart;
  words[at + Descriptor.ARGS + 1] = firstEnd - firstStart;
  words[at + Descriptor.ARGS + 2] = secondStart;
  words[at + Descriptor.ARGS + 3] = secondEnd - secondStart;
  return at;
}

/** What a request on names says. */
export interface PathCall {
  /** With a descriptor's flags, shifted by 8. */
  readonly opcode: number;
  readonly syscall: string;
  readonly path: PathLike;
  readonly dest?: PathLike;
  readonly opFlags?: number;
  readonly mode?: number;
  readonly length?: number;
}

/** What all requests on names share. */
export abstract class NameRequest<T> extends Request<T> {
  readonly call: PathCall;
  readonly #first: PathBytes;
  readonly #second: PathBytes | undefined;

  constructor(call: PathCall) {
    super();
    this.call = call;
    this.#first = pathBytes(call.path);
    this.#second = call.dest === undefined ? undefined : pathBytes(call.dest);
  }

  encode(port: Port, slot: number): void {
    const { opcode, opFlags, mode, length } = this.call;
    const first = this.#first;
    const second = this.#second;
    const bytes = pathBound(first) + (second === undefined ? 0 : pathBound(second));
    // Three bytes a character at the most: what is more is longer than any path, and might not fit
    // the arena. The exact length is the addon's to judge.
    if (bytes > 6 * PATH_BYTES_MAX) throw this.failure(ENAMETOOLONG);
    port.room(bytes);
    const at = putPaths(port, slot, opcode, first, second);
    port.words[at + Descriptor.OP_FLAGS] = opFlags ?? 0;
    port.words[at + Descriptor.ARGS + 4] = mode ?? 0;
    port.words[at + Descriptor.LENGTH] = length ?? 0;
  }

  failure(result: number): Error {
    const { syscall, path, dest } = this.call;
    return systemError(result, syscall, path, dest);
  }
}

/** A request on names whose value is the result: unlink, rename, mkdir, link … */
export class PathRequest extends NameRequest<number> {
  value(_port: Port, result: number): number {
    return result;
  }
}

/** A request on names whose value are bytes: readdir, readlink, realpath. */
export class BytesRequest extends NameRequest<Buffer> {
  override get losesNothing(): boolean {
    return true;
  }

  value(port: Port): Buffer {
    return port.native.takeOwned(this.slot);
  }
}

/** Metadata of a name. */
export class StatPathRequest extends NameRequest<Stats | BigIntStats> {
  readonly #bigint: boolean;

  constructor(path: PathLike, follow: boolean, bigint: boolean) {
    super({
      opcode: Opcode.Statx,
      syscall: follow ? 'stat' : 'lstat',
      path,
      opFlags: follow ? 0 : AT_SYMLINK_NOFOLLOW,
      mode: STATX_ALL,
    });
    this.#bigint = bigint;
  }

  override get losesNothing(): boolean {
    return true;
  }

  value(port: Port, _result: number, _flags: number, at: number): Stats | BigIntStats {
    return decode(port, at, this.#bigint);
  }
}

/** Metadata of an open file. */
export class StatFileRequest extends Request<Stats | BigIntStats> {
  readonly #file: OpenFile;
  readonly #bigint: boolean;

  constructor(file: OpenFile, bigint: boolean) {
    super();
    this.#file = file;
    this.#bigint = bigint;
  }

  override get losesNothing(): boolean {
    return true;
  }

  encode(port: Port, slot: number): void {
    port.room(0);
    const at = port.descriptor(slot, Opcode.Statx);
    putFile(port.words, at, this.#file);
    port.words[at + Descriptor.ARGS + 4] = STATX_ALL;
  }

  value(port: Port, _result: number, _flags: number, at: number): Stats | BigIntStats {
    return decode(port, at, this.#bigint);
  }

  failure(result: number): Error {
    return systemError(result, 'fstat');
  }
}

function decode(port: Port, at: number, bigint: boolean): Stats | BigIntStats {
  const offset = port.words[at + Completion.AUX] as number;
  return bigint ? decodeBigIntStats(port.out, offset) : decodeStats(port.out, offset);
}
