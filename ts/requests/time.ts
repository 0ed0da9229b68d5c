/** Requests of no file: nothing at all, and time. */

import { constants } from 'node:os';
import { systemError } from '../errors.ts';
import { Descriptor, Opcode } from '../generated/abi.ts';
import type { Port } from '../port.ts';
import { Request } from '../request.ts';

const ETIME = -constants.errno.ETIME;

/** Does nothing, through the whole trip. */
export class NopRequest extends Request<void> {
  encode(port: Port, slot: number): void {
    port.room(0);
    port.descriptor(slot, Opcode.Nop);
  }

  value(): void {}

  failure(result: number): Error {
    return systemError(result, 'nop');
  }
}

/** Settles after a time, with the milliseconds that really passed. */
export class SleepRequest extends Request<number> {
  readonly #ms: number;
  readonly #start: number = performance.now();

  constructor(ms: number) {
    super();
    this.#ms = ms;
  }

  override get losesNothing(): boolean {
    return true;
  }

  override succeeded(result: number): boolean {
    return result === ETIME;
  }

  encode(port: Port, slot: number): void {
    port.room(0);
    const at = port.descriptor(slot, Opcode.Timeout);
    const ns = BigInt(Math.round(this.#ms * 1e6));
    port.words[at + Descriptor.OFFSET_LOW] = Number(ns & 0xffff_ffffn);
    port.words[at + Descriptor.OFFSET_HIGH] = Number(ns >> 32n);
  }

  value(): number {
    return performance.now() - this.#start;
  }

  failure(result: number): Error {
    return systemError(result, 'timeout');
  }
}
