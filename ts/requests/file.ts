/** Requests on an open file, and the one that opens it. */

import { abortError, systemError } from '../errors.ts';
import type { PathLike } from 'node:fs';
import {
  Completion,
  CompletionFlag,
  CONTENT_BYTES_MAX,
  Descriptor,
  Opcode,
  OpFlag,
} from '../generated/abi.ts';
import { OpenFile } from '../open-file.ts';
import type { Port } from '../port.ts';
import { Request } from '../request.ts';
import { putFile, putPosition } from './data.ts';
import { NameRequest } from './path.ts';

/** What requests that open share. Cancelled after it succeeded, it closes what it opened. */
abstract class OpeningRequest<T> extends NameRequest<T | OpenFile> {
  value(port: Port, result: number, flags: number, at: number): T | OpenFile {
    const file = opened(port, result, at);
    if (this.cancelled) {
      this.undo(port, flags, at);
      throw abortError(this.signal);
    }
    return file;
  }

  override undo(port: Port, flags: number, at: number): void {
    if ((flags & CompletionFlag.Opened) === 0) return;
    const close = new CloseRequest(opened(port, -1, at));
    close.sink = { resolve() {}, reject() {} };
    port.start(close);
  }
}

/** Opens a file. */
export class OpenRequest extends OpeningRequest<never> {
  constructor(path: PathLike, flags: number, mode: number) {
    super({ opcode: Opcode.OpenAt, syscall: 'open', path, opFlags: flags, mode });
  }
}

/**
 * Opens a file for reading and, where it is a small regular one, brings its content and closes it:
 * one trip instead of four. The value is the content, or the file where it is anything else.
 */
export class OpenContentRequest extends OpeningRequest<Buffer | string> {
  readonly #encoding: BufferEncoding | undefined;

  constructor(path: PathLike, flags: number, encoding: BufferEncoding | undefined) {
    super({
      opcode: Opcode.OpenAt | (OpFlag.Content << 8),
      syscall: 'open',
      path,
      opFlags: flags,
      length: CONTENT_BYTES_MAX,
    });
    this.#encoding = encoding;
  }

  override get losesNothing(): boolean {
    return true;
  }

  override value(
    port: Port,
    result: number,
    flags: number,
    at: number,
  ): Buffer | string | OpenFile {
    if ((flags & CompletionFlag.Content) === 0) return super.value(port, result, flags, at);
    const encoding = this.#encoding;
    if ((flags & CompletionFlag.Owned) !== 0) {
      const owned = port.native.takeOwned(this.slot);
      return encoding === undefined ? owned : owned.toString(encoding);
    }
    const start = port.words[at + Completion.AUX] as number;
    const end = start + result;
    if (encoding !== undefined) return port.bytes.toString(encoding, start, end);
    const own = Buffer.allocUnsafeSlow(result);
    port.bytes.copy(own, 0, start, end);
    return own;
  }
}

function opened(port: Port, fd: number, at: number): OpenFile {
  const { words } = port;
  const index = words[at + Completion.HANDLE] as number;
  const generation = words[at + Completion.HANDLE_GENERATION] as number;
  return new OpenFile(port, fd, index, generation);
}

/** What a request on a file says: which system call, and numbers. */
export interface FileCall {
  readonly opcode: number;
  readonly syscall: string;
  readonly offset?: number | bigint;
  readonly opFlags?: number;
  readonly length?: number;
}

/** A request on a file without data: sync, truncate, fallocate, poll. The value is the result. */
export class FileRequest extends Request<number> {
  readonly #file: OpenFile;
  readonly #call: FileCall;

  constructor(file: OpenFile, call: FileCall) {
    super();
    this.#file = file;
    this.#call = call;
  }

  encode(port: Port, slot: number): void {
    const { opcode, offset, opFlags, length } = this.#call;
    port.room(0);
    const at = port.descriptor(slot, opcode);
    const { words } = port;
    putFile(words, at, this.#file);
    if (offset !== undefined) putPosition(words, at, offset);
    words[at + Descriptor.OP_FLAGS] = opFlags ?? 0;
    words[at + Descriptor.ARGS + 4] = (length ?? 0) % 0x1_0000_0000;
    words[at + Descriptor.ARGS + 5] = (length ?? 0) / 0x1_0000_0000;
  }

  value(_port: Port, result: number): number {
    return result;
  }

  failure(result: number): Error {
    return systemError(result, this.#call.syscall);
  }
}

/** Closes a file, after its operations. */
export class CloseRequest extends FileRequest {
  constructor(file: OpenFile) {
    super(file, { opcode: Opcode.Close, syscall: 'close' });
  }
}
