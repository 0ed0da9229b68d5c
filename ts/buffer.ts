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
const LEASED = 0x8000;

/** On a lease's view, its slab: so that the view is known without asking for its `buffer`. */
const HOME = Symbol('slab');

/** Memory on loan: a view that reads and writes reach without a copy. Give it back by `using`. */
export class Lease implements Disposable {
  readonly #slab: Slab;
  readonly #offset: number;
  #view: Buffer | undefined;

  /** Made by `runtime.lease`. */
  constructor(slab: Slab, offset: number, bytes: number) {
    this.#slab = slab;
    this.#offset = offset;
    const view = slab.bytes.subarray(offset, offset + bytes) as Buffer;
    this.#view = Object.defineProperty(view, HOME, { value: slab });
  }

  /**
   * The memory. A read or write of it moves no byte twice.
   *
   * @throws Error where the lease was given back.
   */
  get view(): Buffer {
    if (this.#view === undefined) {
      const error = new Error('this lease was given back; take another');
      throw Object.assign(error, { code: 'ERR_INVALID_STATE' });
    }
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
  /** What `bytes` is a view of, and from where on: getters that are calls out of compiled code. */
  readonly buffer: ArrayBufferLike;
  readonly #start: number;
  readonly #length: number;
  /** A chunk's bytes are two to the power of this. */
  readonly #shift: number;
  readonly #free: Uint16Array;
  #freeCount: number;
  readonly #uses: Uint16Array;

  /** Takes `memory` as a slab and lends it to the addon. */
  constructor(native: NativePort, memory: Buffer, chunkBytes: number) {
    this.index = native.lend(memory);
    this.bytes = memory;
    this.buffer = memory.buffer;
    this.#start = memory.byteOffset;
    this.#length = memory.length;
    this.#shift = Math.log2(chunkBytes);
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
    return (this.#free[this.#freeCount] as number) << this.#shift;
  }

  /** Transition 2. */
  give(offset: number): void {
    this.#free[this.#freeCount] = offset >> this.#shift;
    this.#freeCount += 1;
  }

  /** Transition 3: marks a chunk that was just taken. */
  startLease(offset: number): void {
    this.#uses[offset >> this.#shift] = LEASED;
  }

  /** Transition 4. */
  endLease(offset: number): void {
    const chunk = offset >> this.#shift;
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
    const chunk = offset >> this.#shift;
    this.#uses[chunk]! -= 1;
    if (this.#uses[chunk] === 0) this.give(chunk << this.#shift);
  }

  /** Where a range of a view of `buffer` lies in the slab, or -1. */
  place(start: number, length: number): number {
    const place = start - this.#start;
    return place >= 0 && place + length <= this.#length ? place : -1;
  }

  /** The chunk that a range lies in, or -1: leases are parts of one. */
  #chunk(offset: number, length: number): number {
    const chunk = offset >> this.#shift;
    return offset + length <= (chunk + 1) << this.#shift ? chunk : -1;
  }
}

/** A place that was found for an operation's data; reused, so that nothing is allocated for it. */
export interface Place {
  slab: Slab | undefined;
  offset: number;
}

/** Slabs of both chunk sizes, made when they are needed; the first of each share one memory. */
class Slabs {
  readonly #native: NativePort;
  /** Every slab. */
  readonly all: Slab[] = [];
  readonly #small: Slab[] = [];
  readonly #large: Slab[] = [];

  constructor(native: NativePort) {
    this.#native = native;
  }

  /** Takes a chunk that holds `bytes`; `place.slab` stays undefined where there is none. */
  take(bytes: number, place: Place): void {
    place.slab = undefined;
    if (bytes > LARGE_BYTES) return;
    const slabs = bytes <= SMALL_BYTES ? this.#small : this.#large;
    for (const slab of slabs) {
      const offset = slab.take();
      if (offset === -1) continue;
      place.slab = slab;
      place.offset = offset;
      return;
    }
    if (slabs.length < SLABS_MAX) this.#grow(slabs);
    place.slab = slabs.at(-1);
    place.offset = place.slab?.take() ?? -1;
    if (place.offset === -1) place.slab = undefined;
  }

  /** One more slab, unless there is no address space for it. */
  #grow(slabs: Slab[]): void {
    const first = this.all.length === 0;
    const memory = tryMemory(first ? 2 * SLAB_BYTES : SLAB_BYTES);
    if (memory === undefined) return;
    if (first) {
      this.#add(this.#small, Buffer.from(memory, 0, SLAB_BYTES), SMALL_BYTES);
      this.#add(this.#large, Buffer.from(memory, SLAB_BYTES, SLAB_BYTES), LARGE_BYTES);
    } else {
      const chunkBytes = slabs === this.#small ? SMALL_BYTES : LARGE_BYTES;
      this.#add(slabs, Buffer.from(memory), chunkBytes);
    }
  }

  #add(slabs: Slab[], memory: Buffer, chunkBytes: number): void {
    const slab = new Slab(this.#native, memory, chunkBytes);
    slabs.push(slab);
    this.all.push(slab);
  }
}

function tryMemory(bytes: number): ArrayBuffer | undefined {
  try {
    return createMemory(bytes);
  } catch {
    return undefined;
  }
}

/**
 * All slabs of a runtime. What is lent to the program lies in slabs of its own: whoever writes past
 * a lease's view, into the `buffer` behind it, meets other leases and nothing of the runtime's.
 */
export class Buffers {
  readonly #chunks: Slabs;
  readonly #leases: Slabs;

  /** Makes no memory yet. */
  constructor(native: NativePort) {
    this.#chunks = new Slabs(native);
    this.#leases = new Slabs(native);
  }

  /** Takes a chunk that holds `bytes`; `place.slab` stays undefined where there is none. */
  take(bytes: number, place: Place): void {
    this.#chunks.take(bytes, place);
  }

  /** The slab that a view lies in, whole; `undefined` for memory of the program's own. */
  find(view: Uint8Array, offset: number, length: number, place: Place): void {
    place.slab = undefined;
    const { all } = this.#leases;
    if (all.length === 0) return;
    const start = view.byteOffset + offset;
    const home = (view as { [HOME]?: Slab })[HOME];
    if (home !== undefined) {
      place.offset = home.place(start, length);
      if (place.offset !== -1) place.slab = home;
      return;
    }
    const { buffer } = view;
    for (const slab of all) {
      if (slab.buffer !== buffer) continue;
      place.offset = slab.place(start, length);
      if (place.offset === -1) continue;
      place.slab = slab;
      return;
    }
  }

  /** Lends memory to the program. */
  lease(bytes: number): Lease {
    if (!Number.isInteger(bytes) || bytes < 1 || bytes > LARGE_BYTES) {
      throw outOfRange('bytes', `>= 1 && <= ${LARGE_BYTES}`, bytes);
    }
    const place: Place = { slab: undefined, offset: 0 };
    this.#leases.take(bytes, place);
    if (place.slab === undefined) {
      const error = new Error('all memory for leases is lent; give some back first');
      throw Object.assign(error, { code: 'ERR_WAKERING_BUSY' });
    }
    place.slab.startLease(place.offset);
    return new Lease(place.slab, place.offset, bytes);
  }
}
