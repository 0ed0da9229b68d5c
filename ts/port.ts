/**
 * The port: memory that JavaScript and Rust share, and one native call for each batch.
 *
 * ```text
 * start ─► a free slot? ─► encode into the batch ─► microtask: flush ─► settle what is complete
 *             └─ no: wait in line                        ▲
 *                                        doorbell: settle(count), from libuv
 * ```
 *
 * Both sides use the same slot index: JavaScript keeps the list of free ones, writes it into the
 * descriptor, and finds its request under it when the record comes. Nothing is looked up.
 *
 * A flush runs once for each microtask batch. What it settles may start more; so that timers and
 * other I/O get their turn, after about {@link TURN_MS} milliseconds the next flush waits for libuv.
 * Records are counted instead of time, because looking at a clock costs as much as a small read's
 * share of a flush: how many are as much as a turn is measured once in each turn.
 */

import {
  Completion,
  Descriptor,
  ErrorKind,
  Opcode,
  PATH_BYTES_MAX,
  Port as Areas,
  SLOT_NONE,
} from './generated/abi.ts';
import { locate, systemError } from './errors.ts';
import { Fifo } from './fifo.ts';
import type {
  Native,
  NativeCapabilities,
  NativeMetrics,
  NativeOptions,
  NativePort,
} from './native.ts';
import type { Request } from './request.ts';
import { createMemory } from './wasm-memory.ts';

/** How long operations may keep libuv waiting. */
const TURN_MS = 1;
/** Records settled in a row before libuv gets its turn, however fast they are. */
const TURN_RECORDS_MAX = 1024;
/** And however slow: a turn of libuv's costs as much as several of them. */
const TURN_RECORDS_MIN = 16;
/** How long closing waits for operations that were asked to end. */
const CLOSE_MS_MAX = 2000;
/** What the native side calls with when the ring is broken. */
const COUNT_BROKEN = 0xffff_ffff;

/** Beyond this the arena may lack room for two paths. */
const ARENA_FULL_BYTES = Areas.ARENA_BYTES - 6 * PATH_BYTES_MAX;

const DESCRIPTORS = Areas.DESCRIPTORS_OFFSET / 4;
const COMPLETIONS = Areas.COMPLETIONS_OFFSET / 4;
const RESOLVED = Promise.resolve();

type AnyRequest = Request<never>;

/** Counters of the JavaScript side. */
export interface PortCounters {
  flushes: number;
  wakes: number;
  yields: number;
  waitedForSlot: number;
  /** Operations that were taken back while they waited. */
  withdrawn: number;
}

/** See the module's text. */
export class Port {
  /** The shared memory as 32-bit words. */
  readonly words: Uint32Array;
  /** The same words, signed: results. */
  readonly results: Int32Array;
  /** Where paths and segments go. */
  readonly arena: Buffer;
  /** All of it as bytes. */
  readonly bytes: Buffer;
  /** Where results lie that are no number. */
  readonly out: DataView;
  /** The memory that both sides see. Nothing else lies in it, and no program gets to see it. */
  readonly memory: ArrayBuffer;
  /** What happened on this side. */
  readonly counters: PortCounters = {
    flushes: 0,
    wakes: 0,
    yields: 0,
    waitedForSlot: 0,
    withdrawn: 0,
  };
  /** Whether operations keep the process alive. */
  keepsAlive = true;

  readonly #native: NativePort;
  readonly #handOver: (count: number) => number;
  readonly #pending: (AnyRequest | undefined)[];
  readonly #free: Uint32Array;
  #freeCount: number;
  readonly #waiting = new Fifo<AnyRequest>();
  #count = 0;
  #arenaTop = 0;
  #scheduled = false;
  /** Records that are as much as a turn, the last time that was measured. */
  #turnRecords = TURN_RECORDS_MAX;
  /** Records until libuv gets its turn. */
  #budget = TURN_RECORDS_MAX;
  #turnBegan: number = performance.now();
  #closing: Promise<number> | undefined;
  /** The counters as they were at the end. */
  #final: NativeMetrics | undefined;
  #broken: Error | undefined;
  #whenIdle: (() => void) | undefined;

  /** Makes the native port. */
  constructor(addon: Native, options: NativeOptions) {
    this.memory = createMemory(Areas.BYTES);
    this.words = new Uint32Array(this.memory, 0, Areas.BYTES / 4);
    this.results = new Int32Array(this.memory, 0, Areas.BYTES / 4);
    this.arena = Buffer.from(this.memory, Areas.ARENA_OFFSET, Areas.ARENA_BYTES);
    this.bytes = Buffer.from(this.memory, 0, Areas.BYTES);
    this.out = new DataView(this.memory, 0, Areas.BYTES);
    this.#pending = Array.from({ length: options.slots });
    this.#free = Uint32Array.from({ length: options.slots }, (_, i) => options.slots - 1 - i);
    this.#freeCount = options.slots;
    const areas = new Uint8Array(this.memory, 0, Areas.BYTES);
    this.#native = new addon.NativePort(options, areas, this.#wake, this);
    this.#handOver = this.#native.flusher();
  }

  /** The addon's side, for memory that it holds. */
  get native(): NativePort {
    return this.#native;
  }

  /** Operations that have a slot. */
  get inFlight(): number {
    return this.#pending.length - this.#freeCount;
  }

  /** Operations that wait for a slot. */
  get queued(): number {
    return this.#waiting.size;
  }

  /** Starts an operation; it settles later, never within this call. */
  start<T>(request: Request<T>): void {
    const any = request as unknown as AnyRequest;
    if (this.#broken !== undefined || this.#closing !== undefined) {
      const error = this.#broken ?? systemError(ErrorKind.Closed, 'wakering');
      void RESOLVED.then(() => any.fail(error));
    } else if (this.#waiting.size > 0 || !this.#mayBegin()) {
      this.counters.waitedForSlot += 1;
      this.#waiting.push(any);
    } else {
      this.#begin(any);
    }
  }

  /**
   * Whether an operation may begin now: there is a slot, and, once the turn is used up, room in the
   * batch. A full batch is handed over at once only within the turn: what that settles starts more
   * operations, which fill the next batch, and so on for ever.
   */
  #mayBegin(): boolean {
    if (this.#freeCount === 0) return false;
    if (this.#budget > 0) return true;
    return this.#count < Areas.DESCRIPTORS_MAX && this.#arenaTop <= ARENA_FULL_BYTES;
  }

  #begin(request: AnyRequest): void {
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    this.#pending[slot] = request;
    request.slot = slot;
    try {
      request.encode(this, slot);
    } catch (error) {
      // Nothing was written to the batch: encode does that last.
      this.#pending[slot] = undefined;
      this.#free[this.#freeCount] = slot;
      this.#freeCount += 1;
      void RESOLVED.then(() => request.fail(error as Error));
      return;
    }
    this.#schedule();
  }

  /**
   * Makes sure that a descriptor and `bytes` of the arena fit; flushes where they do not. `bytes`
   * is at most two paths: they fit an empty arena.
   */
  room(bytes: number): void {
    while (this.#count === Areas.DESCRIPTORS_MAX || this.#arenaTop + bytes > Areas.ARENA_BYTES) {
      this.#exchange();
    }
  }

  /**
   * Takes the next descriptor, cleared; the word at which it begins. `head` is
   * `opcode | flags << 8 | buffer kind << 16`.
   */
  descriptor(slot: number, head: number): number {
    const at = DESCRIPTORS + this.#count * Descriptor.WORDS;
    this.#count += 1;
    const words = this.words;
    words[at] = this.keepsAlive ? head : head | 0x100;
    words[at + 1] = slot;
    // One by one: `fill` is a call out of compiled code and costs three times as much.
    words[at + 2] = 0;
    words[at + 3] = 0;
    words[at + 4] = 0;
    words[at + 5] = 0;
    words[at + 6] = 0;
    words[at + 7] = 0;
    words[at + 8] = 0;
    words[at + 9] = 0;
    words[at + 10] = 0;
    words[at + 11] = 0;
    words[at + 12] = 0;
    words[at + 13] = 0;
    words[at + 14] = 0;
    words[at + 15] = 0;
    return at;
  }

  /** Puts a path into the arena; where it begins. Its length is `arenaTop` minus that. */
  putPath(path: string | Uint8Array): number {
    const start = this.#arenaTop;
    if (typeof path === 'string') {
      this.#arenaTop += this.arena.write(path, start, 'utf8');
    } else {
      this.arena.set(path, start);
      this.#arenaTop += path.length;
    }
    return start;
  }

  /** The end of what was put into the arena. */
  get arenaTop(): number {
    return this.#arenaTop;
  }

  /** Asks that the operation in a slot be cancelled. Needs no slot itself. */
  cancel(slot: number): void {
    if (this.#broken !== undefined) return;
    this.room(0);
    const at = this.descriptor(SLOT_NONE, Opcode.Cancel);
    this.words[at + Descriptor.ARGS + 4] = slot;
    this.#schedule();
  }

  /** Takes back an operation that waits for a slot. Whether it did. */
  withdraw<T>(request: Request<T>): boolean {
    const there = this.#waiting.remove(request as unknown as AnyRequest);
    this.counters.withdrawn += Number(there);
    return there;
  }

  /** Puts an operation that found a table full back in line. Not where nothing else is under way. */
  postpone<T>(request: Request<T>): boolean {
    if (this.inFlight === 0) return false;
    request.slot = -1;
    this.counters.waitedForSlot += 1;
    this.#waiting.push(request as unknown as AnyRequest);
    return true;
  }

  /** The slot that a record answers. */
  slotOf(at: number): number {
    return this.words[at + Completion.SLOT] as number;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#budget > 0) {
      void RESOLVED.then(this.#flush);
    } else {
      this.counters.yields += 1;
      this.#measureTurn();
      setImmediate(this.#flushInNewTurn);
    }
  }

  /**
   * Where the thread was idle in between, the turn seems longer than it was; the next one that is
   * not puts it right.
   */
  #measureTurn(): void {
    const records = this.#turnRecords - this.#budget;
    const inTime = Math.round((records * TURN_MS) / (performance.now() - this.#turnBegan));
    this.#turnRecords = Math.min(Math.max(inTime, TURN_RECORDS_MIN), TURN_RECORDS_MAX);
  }

  #beginTurn(): void {
    this.#budget = this.#turnRecords;
    this.#turnBegan = performance.now();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#exchange() === Areas.COMPLETIONS_MAX) this.#schedule();
  };

  readonly #flushInNewTurn = (): void => {
    this.#beginTurn();
    this.#flush();
  };

  /** Called by the addon, from libuv: `count` records are there. */
  readonly #wake = (count: number): void => {
    this.counters.wakes += 1;
    this.#beginTurn();
    if (count === COUNT_BROKEN) this.#exchange();
    else this.#settle(count);
  };

  /** Hands over the batch and settles what is complete. How many records there were. */
  #exchange(): number {
    if (this.#broken !== undefined) return 0;
    const count = this.#count;
    this.#count = 0;
    this.#arenaTop = 0;
    this.counters.flushes += 1;
    let records: number;
    try {
      // No receiver: see the addon's `flush.rs`.
      const handOver = this.#handOver;
      records = handOver(count);
    } catch (error) {
      this.#break(error as Error);
      return 0;
    }
    this.#settle(records);
    return records;
  }

  #settle(records: number): void {
    this.#budget -= records;
    const { words, results } = this;
    for (let i = 0, at = COMPLETIONS; i < records; i += 1, at += Completion.WORDS) {
      const slot = words[at + Completion.SLOT] as number;
      const request = this.#pending[slot];
      if (request === undefined) continue;
      this.#pending[slot] = undefined;
      this.#free[this.#freeCount] = slot;
      this.#freeCount += 1;
      request.complete(
        this,
        results[at + Completion.RESULT] as number,
        words[at + Completion.FLAGS] as number,
        at,
      );
    }
    while (this.#waiting.size > 0 && this.#mayBegin()) {
      this.#begin(this.#waiting.shift() as AnyRequest);
    }
    if (this.#whenIdle !== undefined && this.inFlight === 0) this.#whenIdle();
  }

  /** Nothing can be carried out any more. */
  #break(error: Error): void {
    this.#broken = error;
    for (;;) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      waiting.fail(error);
    }
    for (let slot = 0; slot < this.#pending.length; slot += 1) {
      this.#pending[slot]?.fail(error);
      this.#pending[slot] = undefined;
    }
    this.#whenIdle?.();
  }

  /**
   * Refuses new operations, cancels those under way, and ends the native side when they have
   * settled, or after two seconds. How many the kernel still holds.
   */
  close(): Promise<number> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<number> {
    for (;;) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      waiting.fail(systemError(ErrorKind.Closed, 'wakering'));
    }
    for (const request of this.#pending) request?.cancel(this);
    if (this.inFlight > 0 && this.#broken === undefined) await this.#idle();
    this.#final = this.#native.metrics();
    const stuck = this.#native.close();
    this.#break(systemError(ErrorKind.Closed, 'wakering'));
    return stuck;
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS_MAX);
      this.#whenIdle = (): void => {
        clearTimeout(timer);
        this.#whenIdle = undefined;
        resolve();
      };
    });
  }

  /** @throws Error where closing has begun. */
  checkOpen(): void {
    if (this.#closing === undefined) return;
    throw locate(systemError(ErrorKind.Closed, 'wakering'));
  }

  /** Which driver, why, and what it can do. */
  capabilities(): NativeCapabilities {
    this.checkOpen();
    return this.#native.capabilities();
  }

  /** The native counters; the last ones where the port is closed. */
  metrics(): NativeMetrics {
    return this.#final ?? this.#native.metrics();
  }
}
