/** Numbers, paths and errors as a person reads them. Pure functions. */

import { isUtf8 } from 'node:buffer';
import { getSystemErrorMap } from 'node:util';
import { isSystemError } from './exit.ts';

/**
 * A path for a terminal: quoted, and harmless there.
 *
 * A name may hold any byte but NUL. Control characters (which could move the cursor or start an
 * escape sequence), quotes and backslashes come out as escapes; so does every byte above 127 of a
 * name that is not UTF-8, because nobody can tell what it was meant to be.
 */
export function displayPath(path: Uint8Array): string {
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.byteLength);
  const shown = isUtf8(bytes)
    ? bytes.toString('utf8').replace(UNPRINTABLE, escapeCharacter)
    : bytes.toString('latin1').replace(NOT_PLAIN_ASCII, escapeByte);
  return `'${shown}'`;
}

// Control characters, those that turn the direction of the text, quotes and backslashes.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}'\\]/gu;
const NOT_PLAIN_ASCII = /[^ -~]|['\\]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  "'": "\\'",
  '\\': '\\\\',
};

function escapeCharacter(character: string): string {
  return SHORT_ESCAPES[character] ?? Array.from(Buffer.from(character), hexEscape).join('');
}

function escapeByte(character: string): string {
  return SHORT_ESCAPES[character] ?? hexEscape(character.charCodeAt(0));
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** `1 file`, `2 files`: a count with its noun. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${grouped(amount)} ${amount === 1 ? singular : plural}`;
}

/** Digits in groups of three. Not by Intl: loading it takes longer than hashing a small tree. */
function grouped(amount: number): string {
  return String(amount).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** A number of bytes in decimal units with three digits, such as `38.2 MB`. */
export function bytes(amount: number): string {
  let scaled = amount;
  let unit = 0;
  while (scaled >= 999.5 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** A number of bytes in binary units where it is a round one, such as `8 MiB`. */
export function binaryBytes(amount: number): string {
  if (amount >= 2 ** 30 && amount % 2 ** 30 === 0) return `${amount / 2 ** 30} GiB`;
  if (amount >= 2 ** 20 && amount % 2 ** 20 === 0) return `${amount / 2 ** 20} MiB`;
  if (amount >= 2 ** 10 && amount % 2 ** 10 === 0) return `${amount / 2 ** 10} KiB`;
  return `${grouped(amount)} B`;
}

/** A duration with milliseconds, such as `1.042 s`. */
export function seconds(amount: number): string {
  return `${amount.toFixed(3)} s`;
}

/** What went wrong in words: `permission denied (EACCES in open)`. */
export function describeError(error: unknown): string {
  if (!isSystemError(error)) return error instanceof Error ? error.message : String(error);
  const known = error.errno === undefined ? undefined : getSystemErrorMap().get(error.errno);
  if (known === undefined) return error.message;
  const where = error.syscall === undefined ? error.code : `${error.code} in ${error.syscall}`;
  return `${known[1]} (${where})`;
}
