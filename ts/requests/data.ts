/** Requests that move data: read, write, and reads into memory of the runtime. */

import { systemError } from '../errors.ts';
import type { Buffers, Slab } from '../buffer.ts';
import { BufferKind, Descriptor, Opcode, OpFlag, POSITION_CURRENT_WORD } from '../generated/abi.ts';
import type { OpenFile } from '../open-file.ts';
import type { Port } from '../port.ts';
import { Request } from '../request.ts';

/** A position in a file, or the file's own position. */
export type Position = number | bigint | null;

const TWO_32 = 0x1_0000_0000;
const HEAD_SLAB = BufferKind.Slab << 16;
const HEAD_OWNED = BufferKind.Owned << 16;

/** Writes a position into a descriptor. */
export function putPosition(words: Uint32Array, at: number, position: Position): void {
  if (position === null) {
    words[at + Descriptor.OFFSET_LOW] = POSITION_CURRENT_WORD;
    words[at + Descriptor.OFFSET_HIGH] = POSITION_CURRENT_WORD;
  } else if (typeof position === 'number') {
    // Of a negative one both halves are what the addon refuses; `%` would be a call into C.
    const low = position >>> 0;
    words[at + Descriptor.OFFSET_LOW] = low;
    words[at + Descriptor.OFFSET_HIGH] = (position - low) / TWO_32;
  } else {
    words[at + Descriptor.OFFSET_LOW] = Number(position & 0xffff_ffffn);
    words[at + Descriptor.OFFSET_HIGH] = Number((position >> 32n) & 0xffff_ffffn);
  }
}

/** Writes the file into a descriptor. */
export function putFile(words: Uint32Array, at: number, file: OpenFile): void {
  words[at + Descriptor.HANDLE] = file.index;
  words[at + Descriptor.HANDLE_GENERATION] = file.generation;
}

/** What read and write share: where the bytes are meanwhile. */
abstract class DataRequest<T> extends Request<T> {
  readonly buffers: Buffers;
  readonly file: OpenFile;
  readonly view: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly position: Position;
  /** Where the kernel finds the bytes; undefined for memory of the addon's. */
  slab: Slab | undefined = undefined;
  /** The place in the slab. */
  place = 0;
  /** Whether `view` itself lies in the slab, so that nothing is copied. */
  direct = false;

  constructor(
    buffers: Buffers,
    file: OpenFile,
    view: Uint8Array,
    offset: number,
    length: number,
    position: Position,
  ) {
    super();
    this.buffers = buffers;
    this.file = file;
    this.view = view;
    this.offset = offset;
    this.length = length;
    this.position = position;
  }

  /** Finds the place: in the caller's lease, in a chunk, or in the addon's memory. */
  protected settleIn(): void {
    const place = PLACE;
    this.buffers.find(this.view, this.offset, this.length, place);
    this.direct = place.slab?.pin(place.offset, this.length) === true;
    if (!this.direct) this.buffers.take(this.length, place);
    this.slab = place.slab;
    this.place = place.offset;
  }

  protected write(port: Port, slot: number, opcode: number): void {
    const { slab, length } = this;
    const at = port.descriptor(slot, opcode | (slab === undefined ? HEAD_OWNED : HEAD_SLAB));
    const words = port.words;
    putFile(words, at, this.file);
    if (slab !== undefined) {
      words[at + Descriptor.BUFFER] = slab.index;
      words[at + Descriptor.BUFFER_OFFSET] = this.place;
    }
    words[at + Descriptor.LENGTH] = length;
    putPosition(words, at, this.position);
  }

  override release(): void {
    const { slab } = this;
    if (slab === undefined) return;
    this.slab = undefined;
    if (this.direct) slab.unpin(this.place);
    else slab.give(this.place);
  }
}

const PLACE: { slab: Slab | undefined; offset: number } = { slab: undefined, offset: 0 };

/** Reads into `view`. */
abstract class ReadingRequest<T> extends DataRequest<T> {
  override get losesNothing(): boolean {
    return this.position !== null;
  }

  encode(port: Port, slot: number): void {
    port.room(0);
    this.settleIn();
    this.write(port, slot, Opcode.Read);
  }

  /** Brings what was read to where the program wants it; how many bytes. */
  protected deliver(port: Port, result: number): number {
    const { view, offset, slab } = this;
    if (this.direct || result === 0) return result;
    if (view.byteLength < offset + result) {
      throw lostBuffer(result);
    }
    if (slab === undefined) {
      port.native.copyOwned(this.slot, view, offset);
    } else {
      view.set(slab.bytes.subarray(this.place, this.place + result), offset);
    }
    return result;
  }

  failure(result: number): Error {
    return systemError(result, 'read');
  }
}

/** Reads into `view`; the value is how many bytes. */
export class ReadRequest extends ReadingRequest<number> {
  value(port: Port, result: number): number {
    return this.deliver(port, result);
  }
}

/** What a read of a handle gives; it has no prototype. */
export interface ReadResult<T> {
  /** How many bytes were read; 0 at the end of the file. */
  bytesRead: number;
  /** What was passed in, or was made for the read. */
  buffer: T;
}

/** Reads into `view`, which is all of `buffer`; the value is what `FileHandle.read` gives. */
export class ReadResultRequest<T extends Uint8Array> extends ReadingRequest<ReadResult<T>> {
  value(port: Port, result: number): ReadResult<T> {
    return readResult(this.deliver(port, result), this.view as T);
  }
}

/** Made this way because a literal with `__proto__: null` takes three times as long. */
export function readResult<T>(bytesRead: number, buffer: T): ReadResult<T> {
  const result = Object.create(null) as ReadResult<T>;
  result.bytesRead = bytesRead;
  result.buffer = buffer;
  return result;
}

/** Writes from `view`. */
abstract class WritingRequest<T> extends DataRequest<T> {
  encode(port: Port, slot: number): void {
    const { view, offset, length } = this;
    if (view.byteLength < offset + length) throw lostBuffer(0);
    port.room(0);
    this.settleIn();
    const { slab } = this;
    if (slab === undefined) {
      port.native.stage(slot, view.subarray(offset, offset + length));
    } else if (!this.direct) {
      slab.bytes.set(view.subarray(offset, offset + length), this.place);
    }
    this.write(port, slot, Opcode.Write);
  }

  failure(result: number): Error {
    return systemError(result, 'write');
  }
}

/** Writes from `view`; the value is how many bytes. */
export class WriteRequest extends WritingRequest<number> {
  value(_port: Port, result: number): number {
    return result;
  }
}

/** What a write of a handle gives; it has no prototype. */
export interface WriteResult<T> {
  /** How many bytes were written. */
  bytesWritten: number;
  /** What was passed in. */
  buffer: T;
}

/** Writes from `view`, which is all of `buffer`; the value is what `FileHandle.write` gives. */
export class WriteResultRequest<T extends Uint8Array> extends WritingRequest<WriteResult<T>> {
  value(_port: Port, result: number): WriteResult<T> {
    return writeResult(result, this.view as T);
  }
}

/** Made as {@link readResult} is. */
export function writeResult<T>(bytesWritten: number, buffer: T): WriteResult<T> {
  const result = Object.create(null) as WriteResult<T>;
  result.bytesWritten = bytesWritten;
  result.buffer = buffer;
  return result;
}

/** Reads into fresh memory; the value is a Buffer of what was there. */
export class ReadOwnedRequest extends Request<Buffer> {
  readonly #file: OpenFile;
  readonly #length: number;
  readonly #position: Position;

  constructor(file: OpenFile, length: number, position: Position) {
    super();
    this.#file = file;
    this.#length = length;
    this.#position = position;
  }

  override get losesNothing(): boolean {
    return this.#position !== null;
  }

  encode(port: Port, slot: number): void {
    port.room(0);
    const at = port.descriptor(slot, Opcode.Read | (OpFlag.OwnedResult << 8) | HEAD_OWNED);
    putFile(port.words, at, this.#file);
    port.words[at + Descriptor.LENGTH] = this.#length;
    putPosition(port.words, at, this.#position);
  }

  value(port: Port): Buffer {
    return port.native.takeOwned(this.slot);
  }

  failure(result: number): Error {
    return systemError(result, 'read');
  }
}

/** The program detached or shrank its buffer while the operation was under way. */
function lostBuffer(bytes: number): Error {
  return Object.assign(
    new Error(
      'the buffer was detached or made smaller while the operation was under way' +
        (bytes > 0 ? `; ${bytes} bytes were read and had nowhere to go` : '; nothing was written'),
    ),
    { code: 'ERR_INVALID_STATE' },
  );
}
