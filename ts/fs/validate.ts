/**
 * Checks of arguments, in Node's words: types are promises that JavaScript callers do not make.
 *
 * Each check returns the value in the type that it then has, or throws; nothing here does I/O.
 */

import { invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';

const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
const OCTAL = /^[0-7]+$/;

/** A whole number between two bounds, both included. */
export function integer(
  value: unknown,
  name: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

/** A whole number that fits 32 bits and their sign. */
export function int32(value: unknown, name: string, min: number = -INT32_MAX - 1): number {
  return integer(value, name, min, INT32_MAX);
}

/** A whole number that fits 32 bits without sign. */
export function uint32(value: unknown, name: string): number {
  return integer(value, name, 0, UINT32_MAX);
}

/** `true` or `false`, nothing like them. */
export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
  return value;
}

/** An object with options: no array, no function, not null. */
export function object<T extends object>(value: T | null | undefined, name: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
  return value;
}

/** A view of bytes, whichever class it has. */
export function view(value: unknown, name = 'buffer'): NodeJS.ArrayBufferView {
  if (!ArrayBuffer.isView(value)) {
    throw invalidArgType(name, 'an instance of Buffer, TypedArray, or DataView', value);
  }
  return value as NodeJS.ArrayBufferView;
}

/** An array of nothing but views. */
export function views(value: unknown): readonly ArrayBufferView[] {
  if (!Array.isArray(value) || !value.every((each) => ArrayBuffer.isView(each))) {
    throw invalidArgType('buffers', 'an ArrayBufferView[]', value);
  }
  return value as ArrayBufferView[];
}

/** A string, where a view of bytes would have done too. */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') {
    const expected = 'of type string or an instance of Buffer, TypedArray, or DataView';
    throw invalidArgType(name, expected, value);
  }
  return value;
}

/** An AbortSignal, or nothing. */
export function abortSignal(value: unknown, name: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || !('aborted' in value)) {
    throw invalidArgType(name, 'an instance of AbortSignal', value);
  }
  return value as AbortSignal;
}

/** The permission bits of a new file: a number, or octal digits. */
export function fileMode(value: unknown, fallback: number): number {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'string') return uint32(value, 'mode') + 0;
  if (!OCTAL.test(value)) {
    throw invalidArgValue('mode', value, 'must be a 32-bit unsigned integer or an octal string');
  }
  return uint32(Number.parseInt(value, 8), 'mode');
}

/** The small bit sets of `access` and `copyFile`; fractions lose what is behind the point. */
export function smallMode(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'number')
    throw plainError('mode must be int32 or null/undefined', TypeError);
  if (!Number.isFinite(value)) throw plainError('mode is out of range', RangeError);
  const mode = Math.trunc(value);
  if (!(mode >= 0 && mode <= 7)) throw plainError('mode is out of range: >= 0 && <= 7', RangeError);
  return mode;
}

/** Node words these two in its native part, without the usual frame. */
function plainError(message: string, kind: ErrorConstructor): Error {
  const code = kind === RangeError ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE';
  return Object.assign(new kind(message), { code });
}

/**
 * Where to read: `null` is the current position, and so is -1.
 *
 * @param length - The last byte must have a position too.
 */
export function readPosition(value: unknown, length: number): number | bigint | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') {
    const position = integer(value, 'position', -1);
    return position === -1 ? null : position;
  }
  if (typeof value === 'bigint') {
    const max = 2n ** 63n - 1n - BigInt(length);
    if (value < -1n || value > max) throw outOfRange('position', `>= -1 && <= ${max}`, value);
    return value === -1n ? null : value;
  }
  throw invalidArgType('position', 'of type bigint or integer', value);
}

/** Where to write: whatever is not a position means the current one. */
export function writePosition(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** The part of a buffer to read into. */
export function readRange(offset: number, length: number, size: number): void {
  if (length < 0) throw outOfRange('length', '>= 0', length);
  if (offset + length > size) throw outOfRange('length', `<= ${size - offset}`, length);
}

/** The part of a buffer to write from. */
export function writeRange(offset: number, length: number, size: number): void {
  if (offset > size) throw outOfRange('offset', `<= ${size}`, offset);
  if (length > size - offset) throw outOfRange('length', `<= ${size - offset}`, length);
  if (length < 0) throw outOfRange('length', '>= 0', length);
  int32(length, 'length', 0);
}

/** Text in this encoding must be whole: hexadecimal digits come in pairs. */
export function textEncoding(data: string, encoding: unknown): BufferEncoding {
  const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
  if (known.toLowerCase() === 'hex' && data.length % 2 !== 0) {
    throw invalidArgValue('encoding', encoding, `is invalid for data of length ${data.length}`);
  }
  return known;
}

/** The same bytes as a `Uint8Array`. */
export function bytesOf(value: ArrayBufferView): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
