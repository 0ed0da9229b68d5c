/**
 * What `wakering hash` needs of a file system: a part of `node:fs/promises`, in its shape.
 *
 * Wakering's `fs` and Node's own both satisfy it, so one piece of code does the same work through
 * either, and a comparison of the two compares nothing else.
 */

import * as nodePromises from 'node:fs/promises';

/** Options of every operation; Node's own ignores the signal where it does not know it. */
export interface Cancellable {
  /** Asks for the operation to be cancelled. */
  readonly signal?: AbortSignal;
}

/** Options of `stat`: plain numbers will do. */
export interface StatusOptions extends Cancellable {
  readonly bigint?: false;
}

/** Which kind of file something is: what `Dirent` and `Stats` have in common. */
export interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}

/** An entry of a directory, its name as raw bytes. */
export interface Entry extends Kind {
  readonly name: Buffer;
}

/** The part of `Stats` that is read here. */
export interface Status extends Kind {
  readonly size: number;
}

/** An open file. */
export interface OpenFile {
  /** The descriptor, for `/proc/self/fd`. */
  readonly fd: number;
  stat(): Promise<Status>;
  read(
    buffer: Buffer,
    options: Cancellable & { offset: number; length: number; position: number },
  ): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
}

/** The operations that walking and hashing a tree takes. Paths are bytes. */
export interface FileSystem {
  open(path: Buffer, flags: number, mode?: number, options?: Cancellable): Promise<OpenFile>;
  readdir(
    path: Buffer,
    options: Cancellable & { withFileTypes: true; encoding: 'buffer' },
  ): Promise<Entry[]>;
  stat(path: Buffer, options?: StatusOptions): Promise<Status>;
  lstat(path: Buffer, options?: StatusOptions): Promise<Status>;
}

/** `node:fs/promises`: libuv's threads, the other side of the comparison. */
export const nodeFileSystem: FileSystem = {
  open: (path, flags, mode) => nodePromises.open(path, flags, mode),
  readdir: (path, options) => nodePromises.readdir(path, options),
  stat: (path) => nodePromises.stat(path),
  lstat: (path) => nodePromises.lstat(path),
};
