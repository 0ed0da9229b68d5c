/** Puts the operations of one lane together to an object in the shape of `node:fs/promises`. */

import { constants } from 'node:fs';
import path from 'node:path';
import type { Mode, OpenMode, PathLike } from 'node:fs';
import { invalidArgValue } from '../errors.ts';
import type { CodedError } from '../errors.ts';
import type { Lane } from '../lane.ts';
import { thenClose } from './content.ts';
import { FileHandle } from './file-handle.ts';
import { makePath, makeTemporary } from './mkdir.ts';
import { markMissing } from './not-there.ts';
import { openChecked } from './open.ts';
import { openFlags } from './open-flags.ts';
import { checkAborted, decode, readOptions, readSignal } from './options.ts';
import type { Cancellable } from './options.ts';
import { isPlain, mayLink, mayRead, mayWrite, toPath } from './path.ts';
import { ReadStream } from './read-stream.ts';
import type { OpenPath } from './read-stream.ts';
import { readdir } from './readdir.ts';
import { remove, removeTree } from './rm.ts';
import type { Fs, MkdirOptions, NameOptions, StatOptions, StatPathOptions } from './types.ts';
import * as check from './validate.ts';
import { readFile, writeFile } from './whole-file.ts';

/** The operations of a runtime whose operations go through `lane`. */
export function createFs(lane: Lane): Fs {
  const fs = {
    ...filesOf(lane),
    ...lookupsOf(lane),
    ...foldersOf(lane),
    ...namesOf(lane),
    constants,
    // Node's overloads say more than one signature can; the tests compare what they promise.
  } as unknown as Fs;
  markMissing(fs);
  return fs;
}

function filesOf(lane: Lane): object {
  const open = async (
    path: PathLike,
    flags?: OpenMode | null,
    mode?: Mode | null,
    options?: Cancellable,
  ): Promise<FileHandle> => {
    const checked = toPath(path);
    const numbers = [openFlags(flags), check.fileMode(mode, 0o666)] as const;
    return new FileHandle(lane, await openChecked(lane, checked, ...numbers, readSignal(options)));
  };
  const openForStream: OpenPath = (path, flags, mode, signal) =>
    open(path, flags, mode, { signal });
  const files: Partial<Fs> = {
    open,
    createReadStream: (path, options) => new ReadStream(openForStream, path, options),
    readFile: ((path, options) => readFile(lane, path, options)) as Fs['readFile'],
    writeFile: (path, data, options) => writeFile(lane, path, data, options),
    appendFile: (path, data, options) => writeFile(lane, path, data, options, 'a'),
    async copyFile(src, dest, mode, options) {
      const from = toPath(src, 'src');
      const to = toPath(dest, 'dest');
      const flags = check.smallMode(mode);
      mayRead(from);
      mayWrite(to);
      await lane.copyFile(from, to, flags, readSignal(options));
    },
    async truncate(path, len = 0, options) {
      const call = readSignal(options);
      const file = await openChecked(lane, toPath(path), constants.O_RDWR, 0o666, call);
      const cut = async (): Promise<void> => {
        await lane.ftruncate(file, Math.max(0, check.integer(len, 'len')));
      };
      await thenClose(lane, file, cut());
    },
  };
  return files;
}

function lookupsOf(lane: Lane): object {
  const statAt = async (
    path: PathLike,
    follow: boolean,
    options: StatOptions,
  ): Promise<unknown> => {
    check.object(options, 'options');
    const call = readSignal(options);
    checkAborted(call?.signal);
    const checked = toPath(path);
    mayRead(checked);
    return lane.statPath(checked, follow, options.bigint === true, call);
  };
  const statOrNothing = async (path: PathLike, options: StatPathOptions): Promise<unknown> => {
    try {
      return await statAt(path, true, options);
    } catch (error) {
      const isAbsent = ABSENT.has((error as CodedError).code);
      if (isAbsent && options.throwIfNoEntry === false) return undefined;
      throw error;
    }
  };
  return {
    // The usual form is one request and one promise.
    stat(path: PathLike, options: StatPathOptions = USUAL) {
      if (options === USUAL && isPlain(path)) return lane.statPath(path, true, false);
      return statOrNothing(path, options);
    },
    lstat(path: PathLike, options: StatOptions = USUAL) {
      if (options === USUAL && isPlain(path)) return lane.statPath(path, false, false);
      return statAt(path, false, options);
    },
    async access(path: PathLike, mode?: number | null, options?: object) {
      const checked = toPath(path);
      const bits = check.smallMode(mode);
      mayRead(checked);
      await lane.access(checked, bits, readSignal(options));
    },
    async readlink(path: PathLike, given?: NameOptions) {
      const { encoding, ...call } = readOptions(given);
      const checked = toPath(path, 'oldPath');
      mayRead(checked);
      return decode(await lane.readlink(checked, call), encoding);
    },
    async realpath(path: PathLike, given?: NameOptions) {
      const { encoding, ...call } = readOptions(given);
      const checked = toPath(path);
      mayRead(checked);
      return decode(await lane.realpath(checked, call), encoding);
    },
  };
}

/** What calls without options have: known by its identity. */
const USUAL: StatPathOptions = {};

/** Nothing is there, or what should be a folder on the way is none. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

function foldersOf(lane: Lane): object {
  const mkdtemp = async (prefix: PathLike, given?: NameOptions): Promise<string | Buffer> => {
    const { encoding, ...call } = readOptions(given);
    return makeTemporary(lane, toPath(prefix, 'prefix'), encoding, call);
  };
  return {
    mkdtemp,
    async mkdtempDisposable(prefix: PathLike, given?: NameOptions) {
      const folder = process.cwd();
      const made = await mkdtemp(prefix, given);
      // The working directory may be another one by then.
      const whole = typeof made === 'string' ? path.resolve(folder, made) : made;
      const removeIt = (): Promise<void> => removeTree(lane, whole);
      return { path: made, remove: removeIt, [Symbol.asyncDispose]: removeIt };
    },
    async readdir(path: PathLike, given?: NameOptions) {
      const options = { ...readOptions(given) };
      return readdir(lane, toPath(path), options);
    },
    async mkdir(path: PathLike, given?: MkdirOptions | number | string | null) {
      const isMode = typeof given === 'number' || typeof given === 'string';
      const options: MkdirOptions = isMode ? { mode: given } : (given ?? {});
      const checked = toPath(path);
      const recursive = check.boolean(options.recursive ?? false, 'options.recursive');
      const mode = check.fileMode(options.mode, 0o777);
      const call = readSignal(options);
      mayWrite(checked);
      if (recursive) return makePath(lane, checked, mode, call);
      await lane.mkdir(checked, mode, call);
      return undefined;
    },
    async rmdir(path: PathLike, options?: { recursive?: unknown; signal?: AbortSignal }) {
      const checked = toPath(path);
      if (options?.recursive !== undefined) {
        throw invalidArgValue('options.recursive', options.recursive, 'is no longer supported');
      }
      if (options !== undefined) check.object(options, 'options');
      mayWrite(checked);
      await lane.rmdir(checked, readSignal(options));
    },
    rm: async (path: PathLike, options?: object) => remove(lane, toPath(path), options),
  };
}

const LINK_TYPES: ReadonlySet<unknown> = new Set(['dir', 'file', 'junction', null, undefined]);

function namesOf(lane: Lane): object {
  const names: Partial<Fs> = {
    async unlink(path, options) {
      const checked = toPath(path);
      mayWrite(checked);
      await lane.unlink(checked, readSignal(options));
    },
    async rename(oldPath, newPath, options) {
      const from = toPath(oldPath, 'oldPath');
      const to = toPath(newPath, 'newPath');
      mayRead(from);
      mayWrite(from);
      mayWrite(to);
      await lane.rename(from, to, readSignal(options));
    },
    async link(existingPath, newPath, options) {
      const existing = toPath(existingPath, 'existingPath');
      const fresh = toPath(newPath, 'newPath');
      mayRead(existing);
      mayWrite(existing);
      mayWrite(fresh);
      await lane.link(existing, fresh, readSignal(options));
    },
    async symlink(target, path, type, options) {
      if (!LINK_TYPES.has(type)) {
        const reason = "must be one of: 'dir', 'file', 'junction', null, undefined";
        throw invalidArgValue('type', type, reason);
      }
      mayLink();
      const to = toPath(target, 'target');
      await lane.symlink(to, toPath(path), readSignal(options));
    },
  };
  return names;
}
