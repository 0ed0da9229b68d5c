/** The shape of `wakering/fs`: that of `node:fs/promises`, plus a `signal` wherever one helps. */

import type {
  BigIntStats as NodeBigIntStats,
  Dirent as NodeDirent,
  MakeDirectoryOptions,
  Mode,
  OpenMode,
  PathLike,
  RmOptions,
  Stats as NodeStats,
  constants,
} from 'node:fs';
import type { FileHandle } from './file-handle.ts';
import type { Cancellable } from './options.ts';
import type { ReadStream, ReadStreamOptions } from './read-stream.ts';

/** Content to write: text, bytes, or pieces of either as they come. */
export type Content =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

/** How names come back: as text in an encoding, or as `Buffer`. */
export interface NameOptions extends Cancellable {
  /** Default: `'utf8'`. `'buffer'` gives the bytes as they are. */
  encoding?: BufferEncoding | 'buffer' | null | undefined;
}

/** Options of `readFile`. */
export interface ReadFileOptions extends Cancellable {
  /** Without it the content comes as a `Buffer`. */
  encoding?: BufferEncoding | null | undefined;
  /** Default: `'r'`. */
  flag?: OpenMode | undefined;
}

/** Options of `FileHandle.writeFile` and `appendFile`. */
export interface ContentOptions extends Cancellable {
  /** Of text. Default: `'utf8'`. */
  encoding?: BufferEncoding | null | undefined;
}

/** Options of `writeFile` and `appendFile`. */
export interface WriteFileOptions extends ContentOptions {
  /** Permission bits of a file that is made. Default: `0o666`. */
  mode?: Mode | undefined;
  /** Default: `'w'`, and `'a'` for `appendFile`. */
  flag?: OpenMode | undefined;
  /** Whether the data must be on the disk before the promise is fulfilled. Default: `false`. */
  flush?: boolean | undefined;
}

/** Options of `stat`, `lstat` and `FileHandle.stat`. */
export interface StatOptions extends Cancellable {
  /** Whether the numbers come as bigints, with the times in nanoseconds too. Default: `false`. */
  bigint?: boolean | undefined;
}

/** Options of `stat`. */
export interface StatPathOptions extends StatOptions {
  /** Whether an absent file is an error. When it is not, the result is `undefined`. Default: `true`. */
  throwIfNoEntry?: boolean | undefined;
}

/** Options of `readdir`. */
export interface ReaddirOptions extends NameOptions {
  /** Whether `Dirent`s come instead of names. Default: `false`. */
  withFileTypes?: boolean | undefined;
  /** Whether the folders below are read as well. Default: `false`. */
  recursive?: boolean | undefined;
}

/** Options of `mkdir`. */
export type MkdirOptions = MakeDirectoryOptions & Cancellable;

/** Options of `rm`. */
export type RemoveOptions = RmOptions & Cancellable;

/** A temporary folder that goes with its scope. */
export interface TemporaryFolder extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  /** Removes it and what is in it. */
  remove(): Promise<void>;
}

/** The options of `readFile` that ask for text, and those that do not. */
type AsText<O> = BufferEncoding | (O & { encoding: BufferEncoding });
type AsBytes<O> = (O & { encoding?: null | undefined }) | null;
type NamesAsBytes<O> = 'buffer' | (O & { encoding: 'buffer' });
type NamesAsText<O> =
  | BufferEncoding
  | (O & { encoding?: BufferEncoding | null | undefined })
  | null;

/** `readFile`, of a path or of an open file. */
export interface ReadFile {
  (path: PathLike | FileHandle, options?: AsBytes<ReadFileOptions>): Promise<NonSharedBuffer>;
  (path: PathLike | FileHandle, options: AsText<ReadFileOptions>): Promise<string>;
  (
    path: PathLike | FileHandle,
    options?: ReadFileOptions | BufferEncoding | null,
  ): Promise<string | NonSharedBuffer>;
}

/** `stat`. */
export interface StatPath {
  (
    path: PathLike,
    options?: Cancellable & { bigint?: false | undefined; throwIfNoEntry?: true | undefined },
  ): Promise<NodeStats>;
  (
    path: PathLike,
    options: Cancellable & { bigint: true; throwIfNoEntry?: true | undefined },
  ): Promise<NodeBigIntStats>;
  (
    path: PathLike,
    options: Cancellable & { bigint?: false | undefined; throwIfNoEntry: false },
  ): Promise<NodeStats | undefined>;
  (
    path: PathLike,
    options: Cancellable & { bigint: true; throwIfNoEntry: false },
  ): Promise<NodeBigIntStats | undefined>;
  (path: PathLike, options?: StatPathOptions): Promise<NodeStats | NodeBigIntStats | undefined>;
}

/** `lstat`. */
export interface StatLink {
  (path: PathLike, options?: Cancellable & { bigint?: false | undefined }): Promise<NodeStats>;
  (path: PathLike, options: Cancellable & { bigint: true }): Promise<NodeBigIntStats>;
  (path: PathLike, options?: StatOptions): Promise<NodeStats | NodeBigIntStats>;
}

/** `readdir`. */
export interface Readdir {
  (
    path: PathLike,
    options?: NamesAsText<ReaddirOptions & { withFileTypes?: false | undefined }>,
  ): Promise<string[]>;
  (
    path: PathLike,
    options: NamesAsBytes<ReaddirOptions & { withFileTypes?: false | undefined }>,
  ): Promise<NonSharedBuffer[]>;
  (
    path: PathLike,
    options: ReaddirOptions & { encoding: 'buffer'; withFileTypes: true },
  ): Promise<NodeDirent<NonSharedBuffer>[]>;
  (
    path: PathLike,
    options: ReaddirOptions & { encoding?: BufferEncoding | null | undefined; withFileTypes: true },
  ): Promise<NodeDirent[]>;
  (
    path: PathLike,
    options?: ReaddirOptions | BufferEncoding | 'buffer' | null,
  ): Promise<string[] | NonSharedBuffer[] | NodeDirent[] | NodeDirent<NonSharedBuffer>[]>;
}

/** Operations whose result is a path. */
export interface PathResult {
  (path: PathLike, options?: NamesAsText<NameOptions>): Promise<string>;
  (path: PathLike, options: NamesAsBytes<NameOptions>): Promise<NonSharedBuffer>;
  (
    path: PathLike,
    options?: NameOptions | BufferEncoding | 'buffer' | null,
  ): Promise<string | NonSharedBuffer>;
}

/** `mkdir`. */
export interface Mkdir {
  (path: PathLike, options: MkdirOptions & { recursive: true }): Promise<string | undefined>;
  (
    path: PathLike,
    options?: Mode | (MkdirOptions & { recursive?: false | undefined }) | null,
  ): Promise<void>;
  (path: PathLike, options?: Mode | MkdirOptions | null): Promise<string | undefined>;
}

/**
 * Files and folders of one runtime, in the shape of `node:fs/promises`.
 *
 * Arguments, results and errors are Node's. Every promise is a native one, and every operation takes
 * a `signal`, also where Node's has none: behind the arguments, in an object of options.
 *
 * @example
 * ```ts
 * import { defaultRuntime } from 'wakering';
 *
 * const { fs } = defaultRuntime();
 * const names = await fs.readdir('.');
 * ```
 */
export interface Fs {
  /**
   * Opens a file.
   *
   * @param flags - `'r'`, `'w+'`, ... or a number of `constants.O_*`. Default: `'r'`.
   * @param mode - Permission bits of a file that is made. Default: `0o666`.
   * @throws Error with `code`, `errno`, `syscall` and `path`, as of every operation here.
   * @example
   * ```ts
   * import { open } from 'wakering/fs';
   *
   * await using file = await open(process.execPath);
   * const { bytesRead, buffer } = await file.read();
   * ```
   */
  open(
    path: PathLike,
    flags?: OpenMode | null,
    mode?: Mode | null,
    options?: Cancellable,
  ): Promise<FileHandle>;
  /**
   * A file as a `Readable`. Chunks are read ahead, and what is under way ends with the stream.
   *
   * @param path - Not looked at where `options.fd` is an open file.
   * @throws TypeError and RangeError for wrong arguments; what the system says comes as `'error'`.
   * @example
   * ```ts
   * import { createReadStream } from 'wakering/fs';
   *
   * for await (const chunk of createReadStream('package.json')) console.log(chunk.length);
   * ```
   */
  createReadStream(path: PathLike, options?: ReadStreamOptions | BufferEncoding | null): ReadStream;
  /** Reads a file to its end. */
  readonly readFile: ReadFile;
  /** Writes a file, replacing what was there; a `FileHandle` is written at its position. */
  writeFile(
    path: PathLike | FileHandle,
    data: Content,
    options?: WriteFileOptions | BufferEncoding | null,
  ): Promise<void>;
  /** Adds to the end of a file, making it when it is not there. */
  appendFile(
    path: PathLike | FileHandle,
    data: string | Uint8Array,
    options?: WriteFileOptions | BufferEncoding | null,
  ): Promise<void>;
  /** What is known of a file, links followed. */
  readonly stat: StatPath;
  /** What is known of a file or of the link itself. */
  readonly lstat: StatLink;
  /**
   * Fulfilled when this process may use the file so.
   *
   * @param mode - `constants.F_OK`, or `R_OK`, `W_OK` and `X_OK` together. Default: `F_OK`.
   */
  access(path: PathLike, mode?: number | null, options?: Cancellable): Promise<void>;
  /**
   * The names in a folder, sorted by their bytes.
   *
   * With `recursive`, links to folders are followed, as Node does: a link that leads upwards is
   * followed until the system says ELOOP.
   */
  readonly readdir: Readdir;
  /** Makes a folder; with `recursive` also those above it, and gives the first that was made. */
  readonly mkdir: Mkdir;
  /** Makes a folder with six random letters behind `prefix`, and gives its path. */
  readonly mkdtemp: PathResult;
  /** Makes a temporary folder that is removed at the end of an `await using` scope. */
  mkdtempDisposable(
    prefix: PathLike,
    options?: NameOptions | BufferEncoding | null,
  ): Promise<TemporaryFolder>;
  /** Removes a file, or with `recursive` a folder and what is in it. */
  rm(path: PathLike, options?: RemoveOptions): Promise<void>;
  /** Removes an empty folder. */
  rmdir(path: PathLike, options?: Cancellable): Promise<void>;
  /** Removes a name of a file. */
  unlink(path: PathLike, options?: Cancellable): Promise<void>;
  /** Gives a file another name, replacing what has that name. */
  rename(oldPath: PathLike, newPath: PathLike, options?: Cancellable): Promise<void>;
  /** Gives a file a second name. */
  link(existingPath: PathLike, newPath: PathLike, options?: Cancellable): Promise<void>;
  /**
   * Makes a symbolic link.
   *
   * @param type - Means something on Windows only.
   */
  symlink(
    target: PathLike,
    path: PathLike,
    type?: 'dir' | 'file' | 'junction' | null,
    options?: Cancellable,
  ): Promise<void>;
  /** Where a symbolic link leads. */
  readonly readlink: PathResult;
  /** The absolute path, free of links. */
  readonly realpath: PathResult;
  /**
   * Copies a file.
   *
   * @param mode - `constants.COPYFILE_EXCL`, `COPYFILE_FICLONE`, `COPYFILE_FICLONE_FORCE`.
   */
  copyFile(
    src: PathLike,
    dest: PathLike,
    mode?: number | null,
    options?: Cancellable,
  ): Promise<void>;
  /** Cuts a file, or fills it with zeros, to `len` bytes. */
  truncate(path: PathLike, len?: number | null, options?: Cancellable): Promise<void>;
  /** The constants of `node:fs`. */
  readonly constants: typeof constants;
}
