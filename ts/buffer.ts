/**
 * Memory for data: slabs of `WebAssembly.Memory`, cut into chunks of one size each.
 *
 * The kernel writes to them directly where they are registered; the addon copies where they are
 * not. They cannot be detached, so nothing that a program does to its own ArrayBuffers can hurt.
 *
 * ```text
 * chunk: free ─1 take─► in use ─2 give─► free
 *          └─3 lease─► leased ─4 dispose─► free, or, while operations use it, pinned ─5─► free
 * ```
 */

import { outOfRange } from './errors.ts';
import type { NativePort } from './native.ts';
import { createMemory } from './wasm-memory.ts';

/** Bytes of a small chunk. */
export const SMALL_BYTES = 4096;
/** Bytes of a large chunk, and of the largest lease. */
export const LARGE_BYTES = 65_536;
/** Bytes of each slab. */
const SLAB_BYTES = 1 << 20;
/** Slabs of each chunk size at the most; beyond that the addon's own memory is used. */
const SLABS_MAX = 16;
/** Bytes of the first two slabs, which lie behind the port's areas. */
export const FIRST_SLABS_BYTES: number = 2 * SLAB_BYTES;

const LEASED = 0x8000;

/** Memory on loan: a view that reads and writes reach without a copy. Give it back by `using`. */
export class Lease implements Disposable {
  readonly #slab: Slab;
  readonly #offset: number;
  #view: Buffer | undefined;

  /** Made by `runtime.lease`. */
  constructor(slab: Slab, offset: number, bytes: number) {
    this.#slab = slab;
    this.#offset = offset;
    this.#view = slab.bytes.subarray(offset, offset + bytes) as Buffer;
  }

  /**
   * The memory. A read or write of it moves no byte twice.
   *
   * @throws Error where the lease was given back.
   */
  get view(): Buffer {
    if (this.#view === undefined) throw new Error('this lease was given back; take another');
    return this.#view;
  }

  /** Gives the memory back, when the operations that use it are over. Views of it must go too. */
  [Symbol.dispose](): void {
    if (this.#view === undefined) return;
    this.#view = undefined;
    this.#slab.endLease(this.#offset);
  }
}

/** One slab: its memory, its index in the addon, its free chunks. */
export class Slab {
  /** The index for descriptors. */
  readonly index: number;
  /** Its memory. */
  readonly bytes: Buffer;
  /** Bytes of each chunk. */
  readonly chunkBytes: number;
  readonly #free: Uint16Array;
  #freeCount: number;
  readonly #uses: Uint16Array;

  /** Takes `memory` as a slab and lends it to the addon. */
  constructor(native: NativePort, memory: Buffer, chunkBytes: number) {
    this.index = native.lend(memory);
    this.bytes = memory;
    this.chunkBytes = chunkBytes;
    const chunks = memory.length / chunkBytes;
    this.#free = Uint16Array.from({ length: chunks }, (_, i) => chunks - 1 - i);
    this.#freeCount = chunks;
    this.#uses = new Uint16Array(chunks);
  }

  /** Chunks that are free. */
  get available(): number {
    return this.#freeCount;
  }

  /** Transition 1: a chunk's offset, or -1. */
  take(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    return (this.#free[this.#freeCount] as number) * this.chunkBytes;
  }

  /** Transition 2. */
  give(offset: number): void {
    this.#free[this.#freeCount] = offset / this.chunkBytes;
    this.#freeCount += 1;
  }

  /** Transition 3: marks a chunk that was just taken. */
  startLease(offset: number): void {
    this.#uses[offset / this.chunkBytes] = LEASED;
  }

  /** Transition 4. */
  endLease(offset: number): void {
    const chunk = offset / this.chunkBytes;
    const uses = (this.#uses[chunk] as number) & ~LEASED;
    this.#uses[chunk] = uses;
    if (uses === 0) this.give(offset);
  }

  /**
   * An operation begins to use a range of leased memory. False for a view that outlived its lease:
   * its memory may be somebody else's by now, so it is no place for the kernel to write to.
   */
  pin(offset: number, length: number): boolean {
    const chunk = this.#chunk(offset, length);
    if (chunk === -1 || (this.#uses[chunk]! & LEASED) === 0) return false;
    this.#uses[chunk]! += 1;
    return true;
  }

  /** Transition 5: it is over. */
  unpin(offset: number): void {
    const chunk = Math.floor(offset / this.chunkBytes);
    this.#uses[chunk]! -= 1;
    if (this.#uses[chunk] === 0) this.give(chunk * this.chunkBytes);
  }

  /** The chunk that a range lies in, or -1: leases are parts of one. */
  #chunk(offset: number, length: number): number {
    const chunk = Math.floor(offset / this.chunkBytes);
    return offset + length <= (chunk + 1) * this.chunkBytes ? chunk : -1;
  }
}

/** A place that was found for an operation's data; reused, so that nothing is allocated for it. */
export interface Place {
  slab: Slab | undefined;
  offset: number;
}

/** All slabs of a runtime. */
export class Buffers {
  readonly #native: NativePort;
  readonly #slabs = new Map<ArrayBufferLike, Slab[]>();
  readonly #small: Slab[] = [];
  readonly #large: Slab[] = [];

  /** The first two slabs lie in `memory` from `start` on. */
  constructor(native: NativePort, memory: ArrayBuffer, start: number) {
    this.#native = native;
    this.#add(Buffer.from(memory, start, SLAB_BYTES), SMALL_BYTES);
    this.#add(Buffer.from(memory, start + SLAB_BYTES, SLAB_BYTES), LARGE_BYTES);
  }

  #add(memory: Buffer, chunkBytes: number): Slab {
    const slab = new Slab(this.#native, memory, chunkBytes);
    (chunkBytes === SMALL_BYTES ? this.#small : this.#large).push(slab);
    const slabs = this.#slabs.get(memory.buffer) ?? [];
    slabs.push(slab);
    this.#slabs.set(memory.buffer, slabs);
    return slab;
  }

  /** Takes a chunk that holds `bytes`; `place.slab` stays undefined where there is none. */
  take(bytes: number, place: Place): void {
    place.slab = undefined;
    if (bytes > LARGE_BYTES) return;
    const small = bytes <= SMALL_BYTES;
    const slabs = small ? this.#small : this.#large;
    for (const slab of slabs) {
      const offset = slab.take();
      if (offset === -1) continue;
      place.slab = slab;
      place.offset = offset;
      return;
    }
    if (slabs.length === SLABS_MAX) return;
    const slab = this.#add(
      Buffer.from(createMemory(SLAB_BYTES)),
      small ? SMALL_BYTES : LARGE_BYTES,
    );
    place.slab = slab;
    place.offset = slab.take();
  }

  /** The slab that a view lies in, whole; `undefined` for memory of the program's own. */
  find(view: Uint8Array, offset: number, length: number, place: Place): void {
    place.slab = undefined;
    const slabs = this.#slabs.get(view.buffer);
    if (slabs === undefined) return;
    const start = view.byteOffset + offset;
    for (const slab of slabs) {
      const inSlab = start - slab.bytes.byteOffset;
      if (inSlab >= 0 && inSlab + length <= slab.bytes.length) {
        place.slab = slab;
        place.offset = inSlab;
        return;
      }
    }
  }

  /** Lends memory to the program. */
  lease(bytes: number): Lease {
    if (!Number.isInteger(bytes) || bytes < 1 || bytes > LARGE_BYTES) {
      throw outOfRange('bytes', `>= 1 && <= ${LARGE_BYTES}`, bytes);
    }
    const place: Place = { slab: undefined, offset: 0 };
    this.take(bytes, place);
    if (place.slab === undefined) {
      throw new Error('all memory for leases is lent; give some back first');
    }
    place.slab.startLease(place.offset);
    return new Lease(place.slab, place.offset, bytes);
  }
}
