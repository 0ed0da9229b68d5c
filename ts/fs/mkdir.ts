/** Making folders: one, a whole path of them, or one with a name that nobody else has. */

import { randomInt } from 'node:crypto';
import { locate, systemError } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { CallOptions, Lane } from '../lane.ts';
import { checkAborted, decode } from './options.ts';
import { mayWrite } from './path.ts';
import type { Path } from './path.ts';

const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;
/** Errors that making the folder above would not cure. */
const FINAL: ReadonlySet<string> = new Set(['EACCES', 'ENOSPC', 'ENOTDIR', 'EPERM']);

/**
 * Makes a folder and those above it that are missing.
 *
 * @returns The first that was made, or `undefined` when all were there.
 */
export async function makePath(
  lane: Lane,
  path: Path,
  mode: number,
  call: CallOptions | undefined,
): Promise<string | undefined> {
  // One byte in each character, so that cutting at a slash is right for bytes that are no text.
  const whole = Buffer.from(path as string).toString('latin1');
  const missing = [whole];
  let first: string | undefined;
  let isAboveThere = false;
  while (missing.length > 0) {
    checkAborted(call?.signal);
    const folder = missing.at(-1) as string;
    const bytes = Buffer.from(folder, 'latin1');
    const outcome = await tryMake(lane, bytes, mode, call);
    if (outcome === 'made') first ??= folder;
    if (outcome === 'exists') await demandFolder(lane, bytes, missing.length > 1, call);
    if (outcome === 'made' || outcome === 'exists') {
      missing.pop();
      isAboveThere = true;
    } else if (outcome === 'lacks') {
      const above = folder.slice(0, Math.max(folder.lastIndexOf('/'), 0));
      // Where the folder above is there, or cannot be, what is missing is something else.
      if (isAboveThere || above === '') throw located(ENOENT, 'mkdir', path);
      missing.push(above);
    } else {
      throw located(outcome, 'mkdir', bytes);
    }
  }
  return first === undefined ? undefined : Buffer.from(first, 'latin1').toString();
}

/** An error about making that folder, whatever was asked of the system. */
function located(result: number, syscall: string, path: Path): Error {
  return locate(systemError(result, syscall, path), located);
}

/** Whether it was made, was there, lacks the folder above, or cannot be made (then the errno). */
async function tryMake(
  lane: Lane,
  folder: Buffer,
  mode: number,
  call: CallOptions | undefined,
): Promise<'made' | 'exists' | 'lacks' | number> {
  try {
    await lane.mkdir(folder, mode, call);
    return 'made';
  } catch (error) {
    const { code, errno } = error as CodedError;
    if (errno === undefined || code === 'ECANCELED') throw error;
    if (code === 'ENOENT') return 'lacks';
    return FINAL.has(code) ? errno : 'exists';
  }
}

/**
 * Throws when what is there is no folder.
 *
 * @param isAbove - Whether it is on the way to the folder that is wanted.
 */
async function demandFolder(
  lane: Lane,
  folder: Buffer,
  isAbove: boolean,
  call: CallOptions | undefined,
): Promise<void> {
  try {
    if ((await lane.statPath(folder, true, false, call)).isDirectory()) return;
  } catch (error) {
    const { errno } = error as CodedError;
    if (errno === undefined) throw locate(error);
    if (!isAbove) throw located(errno, 'mkdir', folder);
  }
  throw located(isAbove ? ENOTDIR : EEXIST, 'mkdir', folder);
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** How often another name is tried; the C library gives up as well. */
const TRIES_MAX = 100;

/** Makes a folder whose name is `prefix` and six letters that no other name there has. */
export async function makeTemporary(
  lane: Lane,
  prefix: Path,
  encoding: string | null | undefined,
  call: CallOptions | undefined,
): Promise<string | Buffer> {
  const begin = Buffer.from(prefix as string);
  mayWrite(Buffer.concat([begin, Buffer.from('XXXXXX')]));
  for (let tries = 1; ; tries += 1) {
    const letters = Array.from({ length: 6 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
    const path = Buffer.concat([begin, Buffer.from(letters)]);
    try {
      await lane.mkdir(path, 0o700, call);
      return decode(path, encoding);
    } catch (error) {
      const { errno } = error as CodedError;
      if (errno === undefined) throw error;
      if (errno !== EEXIST || tries === TRIES_MAX) throw located(errno, 'mkdtemp', path);
    }
  }
}
