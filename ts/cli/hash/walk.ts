/**
 * Finds the regular files under a directory, as `find DIRECTORY -type f` would.
 *
 * Symbolic links inside the tree are counted and never followed, so loops cannot happen. FIFOs,
 * sockets and devices are counted and never opened. What cannot be listed is reported, and the
 * rest goes on.
 */

import { CliError, hasCode } from '../exit.ts';
import { describeError, displayPath } from '../text.ts';
import { workThrough } from './crew.ts';
import type { FileSystem, Kind } from './file-system.ts';

/** Something that could not be read, and why. */
export interface Failure {
  readonly path: Buffer;
  readonly error: unknown;
}

/** How many entries of each kind were passed over. */
export interface Skipped {
  links: number;
  fifos: number;
  sockets: number;
  devices: number;
  /** The manifest's own files. */
  output: number;
}

/** What a walk found. */
export interface Tree {
  /** The regular files, in no particular order. */
  readonly files: Buffer[];
  /** Whether the last link of a file's path is to be followed: only for one that was named. */
  readonly followLinks: boolean;
  readonly skipped: Skipped;
  readonly failures: Failure[];
}

/** How to walk. */
export interface WalkOptions {
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Paths, in the form that the walk gives them, that are none of the tree's content. */
  readonly exclude: readonly Buffer[];
}

/**
 * Walks the tree at `root`; a `root` that is a regular file is a tree of that one file. As with
 * `find DIRECTORY/`, a link given as `root` itself is followed.
 *
 * @throws {@link CliError} when `root` cannot be examined or listed at all
 */
export async function walk(fs: FileSystem, root: Buffer, options: WalkOptions): Promise<Tree> {
  const skipped: Skipped = { links: 0, fifos: 0, sockets: 0, devices: 0, output: 0 };
  const tree: Tree = { files: [], followLinks: false, skipped, failures: [] };
  const kind = await examineRoot(fs, root, options.signal);
  if (kind.isFile()) return { ...tree, files: [root], followLinks: true };
  const directories = [root];
  await workThrough(directories, options.concurrency, options.signal, async (directory) => {
    try {
      await list(fs, directory, directories, tree, options);
    } catch (error) {
      if (directory === root) throw cannotRead(root, error);
      noteFailure(tree.failures, directory, error, options.signal);
    }
  });
  return tree;
}

/**
 * Notes that `path` failed, for everything that concerns that path alone.
 *
 * @throws the error itself when it is no fact about the path: an abort, a lack of descriptors
 */
export function noteFailure(
  failures: Failure[],
  path: Buffer,
  error: unknown,
  signal: AbortSignal,
): void {
  signal.throwIfAborted();
  if (hasCode(error, 'EMFILE') || hasCode(error, 'ENFILE')) throw outOfDescriptors(path, error);
  failures.push({ path, error });
}

async function examineRoot(fs: FileSystem, root: Buffer, signal: AbortSignal): Promise<Kind> {
  signal.throwIfAborted();
  let kind: Kind;
  try {
    kind = await fs.stat(root, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw cannotRead(root, error);
  }
  if (kind.isDirectory() || kind.isFile()) return kind;
  throw new CliError(
    `cannot hash ${displayPath(root)}: it is ${nameOfKind(kind)}; name a directory or a file`,
  );
}

async function list(
  fs: FileSystem,
  directory: Buffer,
  directories: Buffer[],
  tree: Tree,
  { exclude, signal }: WalkOptions,
): Promise<void> {
  const entries = await fs.readdir(directory, { withFileTypes: true, encoding: 'buffer', signal });
  for (const entry of entries) {
    const path = join(directory, entry.name);
    // Some file systems do not say in a listing what an entry is.
    const kind = isKnown(entry) ? entry : await examine(fs, path, tree, signal);
    if (kind === undefined) continue;
    if (kind.isDirectory()) directories.push(path);
    else if (!kind.isFile()) countSkipped(tree.skipped, kind);
    else if (exclude.some((excluded) => excluded.equals(path))) tree.skipped.output += 1;
    else tree.files.push(path);
  }
}

async function examine(
  fs: FileSystem,
  path: Buffer,
  tree: Tree,
  signal: AbortSignal,
): Promise<Kind | undefined> {
  try {
    return await fs.lstat(path, { signal });
  } catch (error) {
    noteFailure(tree.failures, path, error, signal);
    return undefined;
  }
}

/** Counts something that is neither a directory nor a regular file. */
export function countSkipped(skipped: Skipped, kind: Kind): void {
  if (kind.isSymbolicLink()) skipped.links += 1;
  else if (kind.isFIFO()) skipped.fifos += 1;
  else if (kind.isSocket()) skipped.sockets += 1;
  else skipped.devices += 1;
}

function isKnown(kind: Kind): boolean {
  return kind.isFile() || kind.isDirectory() || kind.isSymbolicLink() || isSpecial(kind);
}

function isSpecial(kind: Kind): boolean {
  return kind.isFIFO() || kind.isSocket() || kind.isBlockDevice() || kind.isCharacterDevice();
}

function nameOfKind(kind: Kind): string {
  if (kind.isFIFO()) return 'a FIFO';
  if (kind.isSocket()) return 'a socket';
  return 'a device';
}

const SLASH = Buffer.from('/');

/** `directory/name`, without a second slash after a directory that was given with one. */
export function join(directory: Buffer, name: Buffer): Buffer {
  const slashed = directory.at(-1) === SLASH[0];
  return Buffer.concat(slashed ? [directory, name] : [directory, SLASH, name]);
}

const ROOT_HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'check the spelling of the path',
  EACCES: 'run as a user who may read it',
  ELOOP: 'its symbolic links lead in a circle',
};

function cannotRead(root: Buffer, error: unknown): CliError {
  const hint = Object.entries(ROOT_HINTS).find(([code]) => hasCode(error, code))?.[1];
  const advice = hint === undefined ? '' : `; ${hint}`;
  return new CliError(`cannot read ${displayPath(root)}: ${describeError(error)}${advice}`);
}

function outOfDescriptors(path: Buffer, error: unknown): CliError {
  return new CliError(
    `cannot open ${displayPath(path)}: ${describeError(error)}; ` +
      'lower --concurrency or raise the limit with: ulimit -n 65536',
  );
}
