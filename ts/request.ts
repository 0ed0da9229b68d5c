/**
 * One operation under way: JavaScript's half of a slot.
 *
 * ```text
 * start ─► waiting for a slot ─► encoded, in flight ─► complete ─► settled
 *   │            └─ cancel: settled at once   └─ cancel: asked for; the completion decides
 *   └─ an operation that loses nothing (a positioned read) settles at once on cancel,
 *      and keeps its slot and its buffer until the completion
 * ```
 */

import { constants } from 'node:os';
import { unwatch } from './abort.ts';
import { abortError } from './errors.ts';
import { ErrorKind } from './generated/abi.ts';
import type { Port } from './port.ts';

const ECANCELED = -constants.errno.ECANCELED;
const EINTR = -constants.errno.EINTR;
/** Results of an operation that did nothing: it was ended, or found no place to begin. */
const NOT_DONE: ReadonlySet<number> = new Set([ECANCELED, EINTR, ErrorKind.Busy]);

/** Where the answer goes: a promise's functions, or an Op. */
export interface Sink<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** The part that every operation shares. A subclass says how it is written and what comes of it. */
export abstract class Request<T> {
  /** The slot on both sides, or -1. */
  slot = -1;
  /** Whether a cancel was asked for. */
  cancelled = false;
  /** Whether the caller has its answer, although the kernel may still be at work. */
  settled = false;
  /** The signal that ends it early. */
  signal: AbortSignal | undefined = undefined;
  /** Where the answer goes; set before `Port.start`. */
  sink!: Sink<T>;

  /** Whether nothing is lost when the caller stops waiting at once. */
  get losesNothing(): boolean {
    return false;
  }

  /** Writes the descriptor. Calls `port.room` first, then everything else. */
  abstract encode(port: Port, slot: number): void;

  /** What a successful result means. `at` is the word at which the record begins. */
  abstract value(port: Port, result: number, flags: number, at: number): T;

  /** The error for a failed result. */
  abstract failure(result: number): Error;

  /** Gives back what was borrowed; runs once, after the last completion. */
  release(_port: Port, _slot: number): void {}

  /** Whether a result is a success. */
  succeeded(result: number): boolean {
    return result >= 0;
  }

  /** Undoes a success that nobody wants any more. */
  undo(_port: Port, _flags: number, _at: number): void {}

  /** The last completion. Called by the port alone. */
  complete(port: Port, result: number, flags: number, at: number): void {
    const slot = this.slot;
    if (result === ErrorKind.Busy && !this.cancelled && port.postpone(this)) return;
    this.slot = -1;
    if (this.signal !== undefined) unwatch(this.signal, this);
    if (this.settled) {
      if (this.succeeded(result)) this.undo(port, flags, at);
    } else {
      this.settled = true;
      this.#settle(port, result, flags, at);
    }
    this.release(port, slot);
  }

  #settle(port: Port, result: number, flags: number, at: number): void {
    if (this.succeeded(result)) {
      let value: T;
      try {
        this.slot = port.slotOf(at);
        value = this.value(port, result, flags, at);
      } catch (error) {
        this.sink.reject(error);
        return;
      } finally {
        this.slot = -1;
      }
      this.sink.resolve(value);
    } else if (this.cancelled && NOT_DONE.has(result)) {
      this.sink.reject(abortError(this.signal));
    } else {
      this.sink.reject(this.failure(result));
    }
  }

  /** Asks for the end. The answer may still be a value: then it came first. */
  cancel(port: Port): void {
    if (this.settled || this.cancelled) return;
    this.cancelled = true;
    if (this.slot === -1) {
      if (port.withdraw(this)) this.#end(abortError(this.signal));
      return;
    }
    if (this.losesNothing) {
      this.settled = true;
      this.sink.reject(abortError(this.signal));
    }
    port.cancel(this.slot);
  }

  /** The port is gone: so is the answer. */
  fail(error: Error): void {
    this.slot = -1;
    if (!this.settled) this.#end(error);
  }

  #end(error: Error): void {
    this.settled = true;
    if (this.signal !== undefined) unwatch(this.signal, this);
    this.sink.reject(error);
  }
}
