/** Reading folders: one, or all below it. */

import path from 'node:path';
import { DIRENT_HEAD_BYTES } from '../generated/abi.ts';
import type { CallOptions, Lane } from '../lane.ts';
import { Dirent, Kind } from './dirent.ts';
import { checkAborted, decode } from './options.ts';
import { joined, mayRead } from './path.ts';
import type { Path } from './path.ts';
import type { ReaddirOptions } from './types.ts';

/** How many folders of a tree are read at once. */
const FOLDERS_AT_ONCE = 64;

/** An entry as it was read; `name` holds one byte in each character. */
export interface Entry {
  readonly name: string;
  kind: number;
}

/** Reads one folder's entries, sorted by the bytes of their names. */
export async function readEntries(
  lane: Lane,
  folder: Path,
  call: CallOptions | undefined,
): Promise<Entry[]> {
  mayRead(folder);
  const packed = await lane.readdir(folder, call);
  // Made into text once and cut afterwards: a call for each name would cost more than all else.
  const text = packed.toString('latin1');
  const entries: Entry[] = [];
  let isSorted = true;
  let last = '';
  for (let at = 0; at + DIRENT_HEAD_BYTES <= packed.length;) {
    const begin = at + DIRENT_HEAD_BYTES;
    const end = begin + ((packed[at + 2] as number) | ((packed[at + 3] as number) << 8));
    const name = text.slice(begin, end);
    entries.push({ name, kind: packed[at] as number });
    isSorted &&= last < name;
    last = name;
    at = end;
  }
  return isSorted ? entries : entries.sort(byName);
}

function byName(a: Entry, b: Entry): number {
  return a.name < b.name ? -1 : 1;
}

/** The bytes of an entry's name. */
export function nameBytes(entry: Entry): Buffer {
  return Buffer.from(entry.name, 'latin1');
}

/** Reads a folder, and with `recursive` those below it, level by level. */
export async function readdir(
  lane: Lane,
  root: Path,
  options: ReaddirOptions,
): Promise<(string | Buffer | Dirent<string | Buffer>)[]> {
  const { encoding, signal, withFileTypes, recursive } = options;
  const call = signal && { signal };
  const found: (string | Buffer | Dirent<string | Buffer>)[] = [];
  let level: Folder[] = [{ path: root, below: undefined }];
  while (level.length > 0) {
    const next: Folder[] = [];
    for (let from = 0; from < level.length; from += FOLDERS_AT_ONCE) {
      checkAborted(signal);
      const folders = level.slice(from, from + FOLDERS_AT_ONCE);
      const read = await Promise.all(
        folders.map((folder) => contents(lane, folder, options, call)),
      );
      folders.forEach((folder, index) => {
        const { entries, folders: deeper } = read[index] as Contents;
        const parent = parentOf(root, folder, encoding);
        for (const entry of entries) {
          found.push(
            withFileTypes
              ? new Dirent(nameIn(entry.name, encoding), entry.kind, parent)
              : nameIn(below(folder, entry), encoding),
          );
        }
        next.push(...deeper);
      });
    }
    level = recursive ? next : [];
  }
  return found;
}

/** A folder of the tree: where it is, and how it is called from the root (one byte a character). */
interface Folder {
  readonly path: Path;
  readonly below: string | undefined;
}

interface Contents {
  readonly entries: readonly Entry[];
  readonly folders: readonly Folder[];
}

/** Reads one folder, asks for kinds that it does not tell, and finds the folders in it. */
async function contents(
  lane: Lane,
  folder: Folder,
  options: ReaddirOptions,
  call: CallOptions | undefined,
): Promise<Contents> {
  const entries = await readEntries(lane, folder.path, call);
  const folders: Folder[] = [];
  for (const entry of entries) {
    const isTold = entry.kind !== Kind.Unknown || !(options.withFileTypes || options.recursive);
    if (!isTold) entry.kind = await kindOf(lane, joined(folder.path, nameOf(entry)), call);
    if (!options.recursive) continue;
    const isLink = entry.kind === Kind.SymbolicLink;
    if (entry.kind !== Kind.Directory && !isLink) continue;
    const path = joined(folder.path, nameOf(entry));
    if (isLink && !(await leadsToFolder(lane, path, call))) continue;
    folders.push({ path, below: below(folder, entry) });
  }
  return { entries, folders };
}

/** The name for use in paths: text where that loses nothing. */
function nameOf(entry: Entry): Path {
  return isAscii(entry.name) ? entry.name : nameBytes(entry);
}

function below(folder: Folder, entry: Entry): string {
  return folder.below === undefined ? entry.name : `${folder.below}/${entry.name}`;
}

function nameIn(name: string, encoding: string | null | undefined): string | Buffer {
  if ((!encoding || encoding === 'utf8') && isAscii(name)) return name;
  return decode(Buffer.from(name, 'latin1'), encoding);
}

function isAscii(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- ASCII is what is asked for, all of it
  return !/[^\x00-\x7f]/.test(text);
}

/** The root as it was given; folders below it joined to it, as bytes where names come as bytes. */
function parentOf(root: Path, folder: Folder, encoding: string | null | undefined): Path {
  if (folder.below === undefined) return root;
  const name = Buffer.from(folder.below, 'latin1');
  if (typeof root !== 'string' || encoding === 'buffer') return joined(root, name);
  return path.join(root, name.toString());
}

async function kindOf(lane: Lane, path: Path, call: CallOptions | undefined): Promise<number> {
  const stats = await lane.statPath(path, false, false, call);
  if (stats.isFile()) return Kind.File;
  if (stats.isDirectory()) return Kind.Directory;
  if (stats.isSymbolicLink()) return Kind.SymbolicLink;
  if (stats.isFIFO()) return Kind.Fifo;
  if (stats.isSocket()) return Kind.Socket;
  return stats.isBlockDevice() ? Kind.BlockDevice : Kind.CharacterDevice;
}

/** A link that leads nowhere, or around in circles, leads to no folder. */
async function leadsToFolder(
  lane: Lane,
  path: Path,
  call: CallOptions | undefined,
): Promise<boolean> {
  try {
    return (await lane.statPath(path, true, false, call)).isDirectory();
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    return false;
  }
}
