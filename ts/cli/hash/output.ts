/**
 * Where the manifest goes: standard output, or a file that appears whole or not at all.
 *
 * A file is written under a temporary name beside its place and renamed when it is complete, so
 * that an interrupted run leaves neither half a manifest nor a damaged older one.
 */

import { randomBytes } from 'node:crypto';
import { constants, unlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { access, open, realpath, stat } from 'node:fs/promises';
import * as nodePromises from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { CliError, hasCode } from '../exit.ts';
import { describeError, displayPath } from '../text.ts';
import { writeToStdout } from '../stdout.ts';
import { join } from './walk.ts';

/** A destination of a manifest. */
export interface Output {
  /** The files that this output makes or replaces, as real paths. */
  readonly ownPaths: readonly Buffer[];
  /** Writes everything and makes it visible. */
  write(blocks: Iterable<Buffer>, signal: AbortSignal): Promise<void>;
  /** Removes what a run that did not finish has left. Synchronous: the process may be ending. */
  discard(): void;
}

/** Standard output. */
export const standardOutput: Output = {
  ownPaths: [],
  async write(blocks, signal) {
    for (const block of blocks) {
      signal.throwIfAborted();
      await writeToStdout(block);
    }
  },
  discard() {},
};

/**
 * Prepares to write the manifest to `path`. Whatever would go wrong at the end of a long run (a
 * missing folder, a lack of permission) goes wrong here, at its start.
 *
 * @throws {@link CliError} naming the path and what to do
 */
export async function openOutput(path: Buffer): Promise<Output> {
  const existing = await statIfThere(path);
  if (existing === undefined) return openNew(path);
  if (existing.isDirectory()) {
    throw new CliError(`cannot write ${displayPath(path)}: it is a directory; name a file in it`);
  }
  try {
    await access(path, constants.W_OK);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  // A device or a FIFO cannot be replaced by a file without harm (think of /dev/null).
  if (!existing.isFile()) return new DirectOutput(path);
  const target = await realpath(path, 'buffer');
  return TemporaryOutput.create(path, target, existing.mode & 0o7777);
}

/** The paths of the walk at `root` that belong to `output`, to be left out of it. */
export async function pathsWithin(root: Buffer, output: Output): Promise<Buffer[]> {
  if (output.ownPaths.length === 0) return [];
  // A root that is not there is reported by the walk.
  const realRoot = await realpath(root, 'buffer').catch(() => undefined);
  if (realRoot === undefined) return [];
  const prefix = join(realRoot, Buffer.alloc(0));
  const within: Buffer[] = [];
  for (const own of output.ownPaths) {
    if (own.equals(realRoot)) {
      throw new CliError(`--out ${displayPath(root)} would replace the file that is to be hashed`);
    }
    if (own.subarray(0, prefix.length).equals(prefix)) {
      within.push(join(root, own.subarray(prefix.length)));
    }
  }
  return within;
}

class TemporaryOutput implements Output {
  readonly ownPaths: readonly Buffer[];
  readonly #shown: Buffer;
  readonly #target: Buffer;
  readonly #temporary: Buffer;
  readonly #file: FileHandle;
  #pending = true;

  constructor(shown: Buffer, target: Buffer, temporary: Buffer, file: FileHandle) {
    this.ownPaths = [target, temporary];
    this.#shown = shown;
    this.#target = target;
    this.#temporary = temporary;
    this.#file = file;
  }

  static async create(shown: Buffer, target: Buffer, mode?: number): Promise<TemporaryOutput> {
    const name = Buffer.from(`.wakering-${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
    const temporary = join(split(target).directory, name);
    let file: FileHandle;
    try {
      file = await open(temporary, 'wx', 0o666);
    } catch (error) {
      throw cannotWrite(shown, error, 'its folder must allow new files');
    }
    const output = new TemporaryOutput(shown, target, temporary, file);
    if (mode !== undefined) await file.chmod(mode);
    return output;
  }

  async write(blocks: Iterable<Buffer>, signal: AbortSignal): Promise<void> {
    try {
      for (const block of blocks) await this.#file.writeFile(block, { signal });
      // Without it a crash of the machine could leave the new name with nothing behind it.
      await this.#file.sync();
      await this.#file.close();
      signal.throwIfAborted();
      await nodePromises.rename(this.#temporary, this.#target);
    } catch (error) {
      signal.throwIfAborted();
      throw cannotWrite(this.#shown, error);
    }
    this.#pending = false;
  }

  discard(): void {
    if (!this.#pending) return;
    this.#pending = false;
    try {
      unlinkSync(this.#temporary);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw cannotWrite(this.#temporary, error);
    }
  }
}

/** Something that takes bytes and has no content of its own: a FIFO, a terminal, a device. */
class DirectOutput implements Output {
  readonly ownPaths: readonly Buffer[] = [];
  readonly #path: Buffer;

  constructor(path: Buffer) {
    this.#path = path;
  }

  async write(blocks: Iterable<Buffer>, signal: AbortSignal): Promise<void> {
    try {
      await using file = await open(this.#path, constants.O_WRONLY | constants.O_NOCTTY);
      for (const block of blocks) await file.writeFile(block, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw cannotWrite(this.#path, error);
    }
  }

  discard(): void {}
}

async function openNew(path: Buffer): Promise<Output> {
  const { directory, name } = split(path);
  let realDirectory: Buffer;
  try {
    realDirectory = await realpath(directory, 'buffer');
  } catch (error) {
    const hint = hasCode(error, 'ENOENT') ? 'its folder must exist' : undefined;
    throw cannotWrite(path, error, hint);
  }
  if (name.length === 0) throw new CliError(`cannot write ${displayPath(path)}: name a file`);
  return TemporaryOutput.create(path, join(realDirectory, name));
}

async function statIfThere(path: Buffer): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw cannotWrite(path, error);
  }
}

/** `node:path` knows only strings. */
function split(path: Buffer): { directory: Buffer; name: Buffer } {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return { directory: Buffer.from('.'), name: path };
  return { directory: path.subarray(0, slash + 1), name: path.subarray(slash + 1) };
}

function cannotWrite(path: Buffer, error: unknown, hint?: string): CliError {
  const advice = hint === undefined ? '' : `; ${hint}`;
  return new CliError(`cannot write ${displayPath(path)}: ${describeError(error)}${advice}`);
}
