/**
 * `wakering/fs`: files and folders, in the shape of `node:fs/promises`.
 *
 * Here the operations of the default runtime, made when the first of them is called; those of
 * another runtime are in its `fs`. This folder checks arguments and composes; it touches no file
 * itself but through a lane, and never goes to `node:fs` for I/O.
 *
 * @module
 */

import { constants as nodeConstants } from 'node:fs';
import { defaultRuntime } from '../runtime.ts';
import { markMissing } from './not-there.ts';
import type { Fs } from './types.ts';

export { createFs } from './fs.ts';
export type { FileHandle } from './file-handle.ts';
export type { RangeOptions } from './range.ts';
export type { ReadResult, WriteResult } from '../lane.ts';
export type { Cancellable } from './options.ts';
export type { ReadStream, ReadStreamOptions, StreamOptions } from './read-stream.ts';
export type * from './types.ts';

type Callable = {
  [Name in keyof Fs]: Fs[Name] extends (...args: never[]) => unknown ? Name : never;
};

/** An operation of the default runtime. */
function bound<Name extends NonNullable<Callable[keyof Fs]>>(name: Name): Fs[Name] {
  const call = (...args: unknown[]): unknown => {
    let fs: Fs;
    try {
      ({ fs } = defaultRuntime());
    } catch (error) {
      // Where nothing can run, each operation fails as operations do.
      return Promise.reject(error);
    }
    return (fs[name] as (...args: unknown[]) => unknown)(...args);
  };
  return Object.defineProperty(call, 'name', { value: name }) as unknown as Fs[Name];
}

/** Opens a file; see {@link Fs.open}. */
export const open: Fs['open'] = bound('open');
/** A file as a stream; see {@link Fs.createReadStream}. */
export const createReadStream: Fs['createReadStream'] = (path, options) =>
  defaultRuntime().fs.createReadStream(path, options);
/** Reads a file to its end; see {@link Fs.readFile}. */
export const readFile: Fs['readFile'] = bound('readFile');
/** Writes a file; see {@link Fs.writeFile}. */
export const writeFile: Fs['writeFile'] = bound('writeFile');
/** Adds to the end of a file; see {@link Fs.appendFile}. */
export const appendFile: Fs['appendFile'] = bound('appendFile');
/** What is known of a file; see {@link Fs.stat}. */
export const stat: Fs['stat'] = bound('stat');
/** What is known of a file or link; see {@link Fs.lstat}. */
export const lstat: Fs['lstat'] = bound('lstat');
/** Whether a file may be used; see {@link Fs.access}. */
export const access: Fs['access'] = bound('access');
/** The names in a folder; see {@link Fs.readdir}. */
export const readdir: Fs['readdir'] = bound('readdir');
/** Makes a folder; see {@link Fs.mkdir}. */
export const mkdir: Fs['mkdir'] = bound('mkdir');
/** Makes a folder with a name of its own; see {@link Fs.mkdtemp}. */
export const mkdtemp: Fs['mkdtemp'] = bound('mkdtemp');
/** Makes a folder that goes with its scope; see {@link Fs.mkdtempDisposable}. */
export const mkdtempDisposable: Fs['mkdtempDisposable'] = bound('mkdtempDisposable');
/** Removes a file or a tree; see {@link Fs.rm}. */
export const rm: Fs['rm'] = bound('rm');
/** Removes an empty folder; see {@link Fs.rmdir}. */
export const rmdir: Fs['rmdir'] = bound('rmdir');
/** Removes a name of a file; see {@link Fs.unlink}. */
export const unlink: Fs['unlink'] = bound('unlink');
/** Renames a file; see {@link Fs.rename}. */
export const rename: Fs['rename'] = bound('rename');
/** Gives a file a second name; see {@link Fs.link}. */
export const link: Fs['link'] = bound('link');
/** Makes a symbolic link; see {@link Fs.symlink}. */
export const symlink: Fs['symlink'] = bound('symlink');
/** Where a link leads; see {@link Fs.readlink}. */
export const readlink: Fs['readlink'] = bound('readlink');
/** The absolute path, free of links; see {@link Fs.realpath}. */
export const realpath: Fs['realpath'] = bound('realpath');
/** Copies a file; see {@link Fs.copyFile}. */
export const copyFile: Fs['copyFile'] = bound('copyFile');
/** Cuts a file; see {@link Fs.truncate}. */
export const truncate: Fs['truncate'] = bound('truncate');
/** The constants of `node:fs`. */
export const constants: typeof nodeConstants = nodeConstants;

const fs: Fs = {
  open,
  createReadStream,
  readFile,
  writeFile,
  appendFile,
  stat,
  lstat,
  access,
  readdir,
  mkdir,
  mkdtemp,
  mkdtempDisposable,
  rm,
  rmdir,
  unlink,
  rename,
  link,
  symlink,
  readlink,
  realpath,
  copyFile,
  truncate,
  constants,
};
markMissing(fs);

/** All of them in one object, because programs also import `node:fs/promises` that way. */
export default fs;
