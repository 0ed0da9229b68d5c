/** The forms in which `FileHandle.read` and `write` are called. */

import type { Cancellable } from './options.ts';
import { PIECE_BYTES } from './pieces.ts';
import * as check from './validate.ts';

/** What `read` allocates where it is given no buffer. */
const DEFAULT_BYTES = 16_384;

/** Which part of a buffer to read or write, and where in the file. */
export interface RangeOptions extends Cancellable {
  /** Where in the buffer. Default: 0. */
  offset?: number | null | undefined;
  /** How many bytes. Default: to the end of the buffer. */
  length?: number | null | undefined;
  /** Where in the file; `null` is the current position. Default: `null`. */
  position?: number | bigint | null | undefined;
}

/** Sorts out the forms of `read`. */
export function readArguments(
  first: unknown,
  second: number | RangeOptions | null | undefined,
  third: number | null | undefined,
  fourth: number | bigint | null | undefined,
): { buffer: NodeJS.ArrayBufferView; range: RangeOptions } {
  if (ArrayBuffer.isView(first)) {
    return { buffer: check.view(first), range: rangeArguments(second, third, fourth) };
  }
  if (first === undefined || first === null) {
    return { buffer: Buffer.alloc(DEFAULT_BYTES), range: {} };
  }
  const options = check.object(first, 'options') as RangeOptions & { buffer?: unknown };
  const { buffer = Buffer.alloc(DEFAULT_BYTES) } = options;
  return { buffer: check.view(buffer), range: options };
}

/** Numbers one by one, or an object with them. */
export function rangeArguments(
  second: number | RangeOptions | null | undefined,
  third: unknown,
  fourth: number | bigint | null | undefined,
): RangeOptions {
  if (typeof second === 'object' && second !== null) return second;
  return { offset: second, length: third as number | null | undefined, position: fourth };
}

/**
 * Whether these are what `read` and `write` are nearly always called with, all in range: then nothing
 * has to be sorted out. Everything else, errors among it, goes the longer way.
 */
export function isUsual(
  buffer: unknown,
  offset: unknown,
  length: unknown,
  position: unknown,
): boolean {
  return (
    buffer instanceof Uint8Array &&
    isCount(offset) &&
    isCount(length) &&
    isCount(position) &&
    length > 0 &&
    length <= PIECE_BYTES &&
    offset + length <= buffer.byteLength
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
