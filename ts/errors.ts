/**
 * Every error that Wakering hands to JavaScript is made here.
 *
 * They are Node's: the same class, `code`, negative `errno`, `syscall`, `path`, `dest` and message,
 * because programs and their logs look at all of them. What has no counterpart in Node has a code
 * that begins with `ERR_WAKERING_`. Nothing here does I/O, and nothing here throws: callers do.
 */

import { getSystemErrorMap, inspect } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { PathLike } from 'node:fs';
import { ERROR_KIND_BASE, ERROR_KINDS, ErrorKind } from './generated/abi.ts';

/** An error with what Node puts on it; each field is there only when it means something. */
export interface CodedError extends Error {
  code: string;
  errno?: number;
  syscall?: string;
  path?: string;
  dest?: string;
}

/** Name and explanation of each errno, by its negative number, filled when first asked for. */
let systemErrors: Map<number, [string, string]> | undefined;

/** The runtime's own errors, by result. */
const ownErrors = new Map(
  ERROR_KINDS.map(([result, code, message]) => [result, { code, message }]),
);

/**
 * The error of an operation that ended with a negative result.
 *
 * The error has no stack yet: where a completion is settled there is no caller to show, and a storm
 * of ENOENTs should not pay for one. Whoever hands it to a program calls {@link locate}.
 *
 * @param result - A negative errno, or one of the runtime's own error kinds.
 * @param syscall - Node's name for what was asked: `open`, `scandir`, `copyfile`, ...
 * @param path - What it was asked of; shown as a string whatever it was given as.
 * @param dest - The second path of operations that have one.
 */
export function systemError(
  result: number,
  syscall: string,
  path?: PathLike,
  dest?: PathLike,
): CodedError {
  if (result <= -ERROR_KIND_BASE) return ownError(result, syscall, path, dest);
  systemErrors ??= getSystemErrorMap();
  const known = systemErrors.get(result);
  const code = known?.[0] ?? `Unknown system error ${result}`;
  const shownPath = path === undefined ? undefined : pathText(path);
  const shownDest = dest === undefined ? undefined : pathText(dest);
  let message = `${code}: ${known?.[1] ?? code}, ${syscall}`;
  if (shownPath !== undefined) message += ` '${shownPath}'`;
  if (shownDest !== undefined) message += ` -> '${shownDest}'`;
  const error = bareError(message);
  error.errno = result;
  error.code = code;
  error.syscall = syscall;
  if (shownPath !== undefined) error.path = shownPath;
  if (shownDest !== undefined) error.dest = shownDest;
  return error;
}

function ownError(result: number, syscall: string, path?: PathLike, dest?: PathLike): CodedError {
  if (result === ErrorKind.StaleHandle) return fileClosed(syscall);
  const known = ownErrors.get(result);
  const shown = path === undefined ? '' : ` '${pathText(path)}'`;
  const message = known?.message ?? `the runtime answered with an unknown result, ${result}`;
  const error = bareError(`${message}, ${syscall}${shown}`);
  error.code = known?.code ?? 'ERR_WAKERING_UNKNOWN';
  error.syscall = syscall;
  if (path !== undefined) error.path = pathText(path);
  if (dest !== undefined) error.dest = pathText(dest);
  return error;
}

/** What Node says of a `FileHandle` that was closed: EBADF, but no errno, for no system call was made. */
export function fileClosed(syscall: string): CodedError {
  const error = bareError('file closed');
  error.code = 'EBADF';
  error.syscall = syscall;
  return error;
}

/**
 * What Node says of an operation that its signal ended.
 *
 * @param signal - Its `reason` becomes the error's `cause`.
 */
export function abortError(signal?: AbortSignal): CodedError {
  const options = signal === undefined ? undefined : { cause: signal.reason };
  const error = new AbortError('The operation was aborted', options);
  error.code = 'ABORT_ERR';
  error.name = 'AbortError';
  Error.captureStackTrace(error, abortError);
  return error;
}

/** Named, because consoles print the name of an error's class. */
class AbortError extends Error {
  declare code: string;
}

/** An operation that this version does not have; it says so instead of doing it another way. */
export function unsupported(what: string, instead: string): CodedError {
  const error = new Error(`${what} is not part of wakering/fs yet: ${instead}`) as CodedError;
  error.code = 'ERR_WAKERING_UNSUPPORTED';
  return error;
}

/**
 * A value of the wrong type.
 *
 * @param name - The argument, or `options.name` for a property.
 * @param expected - How the sentence goes on: `of type string or an instance of Buffer or URL`.
 */
export function invalidArgType(name: string, expected: string, value: unknown): TypeError {
  const message = `The "${name}" ${kindOfName(name)} must be ${expected}. Received ${typeText(value)}`;
  return coded(new TypeError(message), 'ERR_INVALID_ARG_TYPE', invalidArgType);
}

/** A value of the right type that means nothing here. */
export function invalidArgValue(name: string, value: unknown, reason = 'is invalid'): TypeError {
  let shown = inspect(value);
  if (shown.length > 128) shown = `${shown.slice(0, 128)}...`;
  const message = `The ${kindOfName(name)} '${name}' ${reason}. Received ${shown}`;
  return coded(new TypeError(message), 'ERR_INVALID_ARG_VALUE', invalidArgValue);
}

/** Something that is asked for at the wrong time. */
export function invalidState(message: string): CodedError {
  const error = new Error(`Invalid state: ${message}`);
  return coded(error, 'ERR_INVALID_STATE', invalidState);
}

/**
 * A number outside its range.
 *
 * @param range - What would do: `>= 0 && <= 10`, `an integer`.
 */
export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${numberText(value)}`;
  return coded(new RangeError(message), 'ERR_OUT_OF_RANGE', outOfRange);
}

/** Nobody may do this under Node's permission model as the process was started. */
export function accessDenied(message: string, permission?: string, resource?: string): CodedError {
  const error = coded(new Error(message), 'ERR_ACCESS_DENIED', accessDenied) as CodedError & {
    permission?: string;
    resource?: string;
  };
  if (permission !== undefined) error.permission = permission;
  if (resource !== undefined) error.resource = resource;
  return error;
}

/** `rm` of a folder without `recursive`: the one error here whose errno is positive, as in Node. */
export function isDirectoryError(path: PathLike): CodedError {
  const shown = pathText(path);
  const info = { code: 'EISDIR', message: 'is a directory', path, syscall: 'rm', errno: 21 };
  const message = `Path is a directory: rm returned EISDIR (is a directory) ${shown}`;
  const named = Object.defineProperty(new SystemError(message), 'name', {
    value: 'SystemError',
    configurable: true,
    writable: true,
  });
  const error = coded(named, 'ERR_FS_EISDIR', isDirectoryError);
  return Object.assign(error, { info, errno: 21, syscall: 'rm', path: shown });
}

/** Named for consoles, like {@link AbortError}. */
class SystemError extends Error {}

/**
 * Gives an error that was made by {@link systemError} or {@link abortError} the stack of its caller,
 * `await`s included, as far as `below`. Other errors already have the stack of whoever made them.
 *
 * @param below - The function that the program called; it and what it called are left out.
 */
export function locate<E>(error: E, below: (...args: never[]) => unknown = locate): E {
  if (!(error instanceof Error)) return error;
  if ('syscall' in error || error instanceof AbortError) Error.captureStackTrace(error, below);
  return error;
}

/** A path as errors show it: text, whatever it was given as. */
export function pathText(path: PathLike): string {
  if (typeof path === 'string') return path;
  if (path instanceof Uint8Array) return bytesText(path);
  return fileURLToPath(path);
}

function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** Under `--frozen-intrinsics` the limit cannot be set, and errors simply get their stack at once. */
const limitIsWritable =
  Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')?.writable ?? Object.isExtensible(Error);

/** An error without the cost of a stack. */
function bareError(message: string): CodedError {
  if (!limitIsWritable) return new Error(message) as CodedError;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error = new Error(message) as CodedError;
  Error.stackTraceLimit = limit;
  return error;
}

/** Sets `code`, and names it in the stack's first line, as Node does: `TypeError [CODE]: ...`. */
function coded<E extends Error>(
  error: E,
  code: string,
  below: (...args: never[]) => unknown,
): E & { code: string } {
  const { name } = error;
  const own = Object.getOwnPropertyDescriptor(error, 'name');
  const value = `${name} [${code}]`;
  Object.defineProperty(error, 'name', { value, configurable: true, writable: true });
  Error.captureStackTrace(error, below);
  // The stack's text is made when it is first read, with the name of that moment.
  void error.stack;
  if (own === undefined) delete (error as Partial<Error>).name;
  else Object.defineProperty(error, 'name', own);
  return Object.assign(error, { code });
}

function kindOfName(name: string): string {
  return name.includes('.') ? 'property' : 'argument';
}

/** What a value is, in the words of Node's errors. */
function typeText(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== ''
      ? `an instance of ${name}`
      : inspect(value, { depth: -1 });
  }
  if (typeof value === 'string') {
    const short = value.length > 28 ? `${value.slice(0, 25)}...` : value;
    return `type string (${short.includes("'") ? JSON.stringify(short) : `'${short}'`})`;
  }
  return `type ${typeof value} (${inspect(value)})`;
}

/** Numbers beyond 32 bits get separators: 4_294_967_297. */
function numberText(value: unknown): string {
  const isLarge =
    (typeof value === 'bigint' && (value > 2n ** 32n || value < -(2n ** 32n))) ||
    (Number.isInteger(value) && Math.abs(value as number) > 2 ** 32);
  if (!isLarge) return inspect(value);
  const digits = String(value).replace(/(?<=\d)(?=(?:\d{3})+$)/g, '_');
  return typeof value === 'bigint' ? `${digits}n` : digits;
}
