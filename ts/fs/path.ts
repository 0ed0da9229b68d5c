/** Paths: what may be one, and whether Node's permission model allows it. */

import { fileURLToPath } from 'node:url';
import type { PathLike } from 'node:fs';
import { accessDenied, invalidArgType, invalidArgValue, pathText } from '../errors.ts';

/** A path that was checked: no URL any more, and without a NUL byte. */
export type Path = string | Buffer;

/**
 * Checks a path and turns a URL into text.
 *
 * @param name - What the argument is called in the error.
 */
export function toPath(value: PathLike, name = 'path'): Path {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw nulByte(value, name);
    return value;
  }
  if (value instanceof Uint8Array) {
    if (value.includes(0)) throw nulByte(value, name);
    return Buffer.isBuffer(value)
      ? value
      : Buffer.from(
          (value as Uint8Array).buffer,
          (value as Uint8Array).byteOffset,
          (value as Uint8Array).byteLength,
        );
  }
  if (isUrl(value)) return toPath(fileURLToPath(value), name);
  throw invalidArgType(name, 'of type string or an instance of Buffer or URL', value);
}

/** Whether a path is text that may be read as it is: what most are, told without an exception. */
export function isPlain(value: unknown): value is string {
  return typeof value === 'string' && permission === undefined && !value.includes('\0');
}

/** A URL of another realm is one too, and what `url.parse` gives (it has `auth`) is none. */
function isUrl(value: unknown): value is URL {
  if (value instanceof URL) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { href, protocol, auth, path } = value as Record<string, unknown>;
  return Boolean(href) && Boolean(protocol) && auth === undefined && path === undefined;
}

function nulByte(value: string | Uint8Array, name: string): TypeError {
  return invalidArgValue(name, value, 'must be a string, Uint8Array, or URL without null bytes');
}

/** A name below a folder, as bytes when either is bytes. */
export function joined(folder: Path, name: string): string;
export function joined(folder: Path, name: Path): Path;
export function joined(folder: Path, name: Path): Path {
  if (typeof folder === 'string' && typeof name === 'string') {
    return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
  }
  const begin = Buffer.from(folder as string);
  const slash = begin.at(-1) === 0x2f ? '' : '/';
  return Buffer.concat([begin, Buffer.from(slash), Buffer.from(name as string)]);
}

/** `process.permission` is there only when the process was started with `--permission`. */
const { permission } = process as NodeJS.Process & {
  permission?: { has(scope: string, reference?: string): boolean };
};

const RESTRICTED = 'Access to this API has been restricted. Use --allow-fs-';

/**
 * Asks Node's permission model, which does not see what an addon does.
 *
 * @throws `ERR_ACCESS_DENIED`.
 */
export function mayRead(path: Path): void {
  if (permission !== undefined) demand('read', 'FileSystemRead', path);
}

/** Like {@link mayRead}, for changes. */
export function mayWrite(path: Path): void {
  if (permission !== undefined) demand('write', 'FileSystemWrite', path);
}

/** What cannot be tied to one path is refused as soon as there is a permission model. */
export function mayAnything(what: string): void {
  if (permission !== undefined) {
    throw accessDenied(`${what} API is disabled when Permission Model is enabled.`);
  }
}

/** Symbolic links lead around every restriction, so making one takes all of both permissions. */
export function mayLink(): void {
  if (permission !== undefined && !(permission.has('fs.read') && permission.has('fs.write'))) {
    throw accessDenied('fs.symlink API requires full fs.read and fs.write permissions.');
  }
}

function demand(kind: 'read' | 'write', name: string, path: Path): void {
  const resource = pathText(path);
  if (permission?.has(`fs.${kind}`, resource)) return;
  throw accessDenied(`${RESTRICTED}${kind} to manage permissions.`, name, resource);
}
