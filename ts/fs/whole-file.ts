/** `readFile`, `writeFile` and `appendFile` of a path: open, all of it, close. */

import { constants } from 'node:fs';
import type { PathLike } from 'node:fs';
import { unsupported } from '../errors.ts';
import type { Lane } from '../lane.ts';
import { OpenFile } from '../open-file.ts';
import { comesInPieces, prepare, readContent, thenClose, writeContent } from './content.ts';
import { FileHandle } from './file-handle.ts';
import { openChecked } from './open.ts';
import { openFlags } from './open-flags.ts';
import { checkAborted, readOptions } from './options.ts';
import { mayRead, toPath } from './path.ts';
import type { Content, ReadFileOptions, WriteFileOptions } from './types.ts';
import { boolean, fileMode, text } from './validate.ts';

/** Reads a file to its end. */
export async function readFile(
  lane: Lane,
  path: PathLike | FileHandle,
  given?: ReadFileOptions | BufferEncoding | null,
): Promise<string | Buffer> {
  if (path instanceof FileHandle) return path.readFile(given);
  const options = readOptions(given);
  if ('buffer' in options && options.buffer !== undefined) {
    throw unsupported("readFile's option `buffer`", 'use FileHandle.read(), which takes a buffer');
  }
  const { signal } = options;
  checkAborted(signal);
  const checked = toPath(path);
  const flags = openFlags(options.flag || 'r');
  if (flags !== constants.O_RDONLY) {
    const file = await openChecked(lane, checked, flags, 0o666, { signal });
    return thenClose(lane, file, readContent(lane, file, options, checked));
  }
  mayRead(checked);
  const call = signal && { signal };
  const opened = await lane.openContent(checked, flags, options.encoding || undefined, call);
  if (!(opened instanceof OpenFile)) return opened;
  return thenClose(lane, opened, readContent(lane, opened, options, checked));
}

/** Writes a file; `flag` says what becomes of the content that it has. */
export async function writeFile(
  lane: Lane,
  path: PathLike | FileHandle,
  data: Content,
  given?: WriteFileOptions | BufferEncoding | null,
  flag = 'w',
): Promise<void> {
  const options = readOptions(given);
  const flush = boolean(options.flush ?? false, 'options.flush');
  const mode = fileMode(options.mode, 0o666);
  if (!ArrayBuffer.isView(data) && !comesInPieces(data)) text(data, 'data');
  if (path instanceof FileHandle) return path.writeFile(data, options);
  const { signal } = options;
  checkAborted(signal);
  const flags = openFlags(options.flag || flag);
  const prepared = prepare(data, options);
  const file = await openChecked(lane, toPath(path), flags, mode, { signal });
  const work = async (): Promise<void> => {
    await writeContent(lane, file, prepared, options);
    if (flush) await lane.fsync(file);
  };
  await thenClose(lane, file, work());
}
