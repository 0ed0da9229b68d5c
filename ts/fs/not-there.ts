/**
 * What `node:fs/promises` has and this module has not.
 *
 * The types leave these out. A program that calls one all the same, through the module's default
 * export, gets an error that says so; nothing here falls back to libuv's threads behind its back.
 */

import { unsupported } from '../errors.ts';

const INSTEAD = 'use the one of node:fs/promises, on a path or on FileHandle.fd';

const FUNCTIONS = [
  'chmod',
  'chown',
  'cp',
  'glob',
  'lchmod',
  'lchown',
  'lutimes',
  'opendir',
  'statfs',
  'utimes',
  'watch',
] as const;

const HANDLE_METHODS = ['chmod', 'chown', 'createWriteStream', 'utimes'] as const;

/** Puts a function that throws where each missing one would be; loops over keys do not see it. */
export function markMissing(fs: object): void {
  mark(fs, FUNCTIONS, '');
}

/** The same for `FileHandle.prototype`. */
export function markMissingMethods(prototype: object): void {
  mark(prototype, HANDLE_METHODS, 'FileHandle.');
}

function mark(target: object, names: readonly string[], prefix: string): void {
  for (const name of names) {
    const value = (): never => {
      throw unsupported(`${prefix}${name}`, INSTEAD);
    };
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  }
}
