/**
 * The files that the works are done on, in one folder of their own. They are the same for every
 * contender, whatever process it runs in: what a child needs to know of them is a {@link Place}.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of a block, and of a small file. */
export const BLOCK_BYTES = 4096;
const MIB = 1 << 20;
/** Folders that the small files lie in. */
const FOLDERS = 100;

/** Where the files are, and how large or many: plain data. */
export interface Place {
  readonly folder: string;
  /** Of the file that is read. */
  readonly fileBytes: number;
  /** Of the file that is written to. */
  readonly writeBytes: number;
  /** Of the file that is copied. */
  readonly copyBytes: number;
  /** How many small files. */
  readonly smallFiles: number;
}

/** Does something in a place, for a whole run or a smaller one; its files go, however that ends. */
export async function inTemporary(
  parent: string,
  quick: boolean,
  use: (place: Place) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(parent, 'wakering-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const statuses = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove();
      process.exit(statuses[signal]);
    });
  }
  try {
    await use(placeIn(folder, quick));
  } finally {
    remove();
  }
}

function placeIn(folder: string, quick: boolean): Place {
  return {
    folder,
    fileBytes: (quick ? 64 : 256) * MIB,
    writeBytes: (quick ? 16 : 64) * MIB,
    copyBytes: (quick ? 16 : 64) * MIB,
    smallFiles: quick ? 2000 : 10_000,
  };
}

/** The file that is read; made when it is first asked for, and in the page cache then. */
export function readPath(place: Place): string {
  return numbered(join(place.folder, 'read'), place.fileBytes);
}

/**
 * The file that is written to. Each contender has one: nobody waits for another's pages. It was
 * written in blocks, as it is going to be: in a file that was written in large pieces the page cache
 * has large folios, and ext4 looks at each 4 KiB of such a folio whenever one is written (3.8 us
 * instead of 1.5, under a lock of the file), which would be most of what is measured.
 */
export function writePath(place: Place, contender: string): string {
  return numbered(join(place.folder, `write-${contender}`), place.writeBytes, BLOCK_BYTES);
}

/** The file that is copied. */
export function copyPath(place: Place): string {
  return numbered(join(place.folder, 'copy'), place.copyBytes);
}

/** A name that is not there, in a folder that is. */
export function absentPath(place: Place): string {
  return join(place.folder, 'absent');
}

/** The folder of the small files, {@link smallPath} their names; they are made when first needed. */
export function treePath(place: Place): string {
  const tree = join(place.folder, 'tree');
  if (isThere(join(tree, 'complete'), 0)) return join(tree, 'files');
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    mkdirSync(join(tree, 'files', String(folder)), { recursive: true });
  }
  const bytes = Buffer.alloc(BLOCK_BYTES);
  for (let number = 0; number < place.smallFiles; number += 1) {
    const path = smallPath(place, number);
    stamp(bytes, 0, number);
    writeFileSync(path, bytes);
    readFileSync(path);
  }
  writeFileSync(join(tree, 'complete'), '');
  return join(tree, 'files');
}

/** The name of a small file. */
export function smallPath(place: Place, number: number): string {
  return join(place.folder, 'tree', 'files', String(number % FOLDERS), `file-${number}`);
}

/** Puts a number where {@link checkStamp} looks for it: at both ends of a block. */
export function stamp(bytes: Buffer, at: number, number: number): void {
  bytes.writeUInt32LE(number, at);
  bytes.writeUInt32LE(number, at + BLOCK_BYTES - 4);
}

/** What was read is not what was written: the measurement is worth nothing. */
export class WrongContent extends Error {}

/** @throws WrongContent where the block at `at` is not the one with this number. */
export function checkStamp(bytes: Buffer | undefined, at: number, number: number): void {
  const first = bytes?.readUInt32LE(at);
  const last = bytes?.readUInt32LE(at + BLOCK_BYTES - 4);
  if (first === number && last === number) return;
  throw new WrongContent(`block ${number} was read as ${first} to ${last}`);
}

/** @throws WrongContent where a number is not as it must be. */
export function checkEqual(found: number, expected: number, what: string): void {
  if (found !== expected) throw new WrongContent(`${what}: ${found} instead of ${expected}`);
}

/** A file whose blocks each begin and end with their number. Reading it fills the page cache. */
function numbered(path: string, bytes: number, pieceBytes = MIB): string {
  if (isThere(path, bytes)) return path;
  const chunk = Buffer.alloc(pieceBytes);
  const fd = openSync(path, 'w+');
  for (let position = 0; position < bytes; position += chunk.length) {
    for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
      stamp(chunk, at, (position + at) / BLOCK_BYTES);
    }
    writeSync(fd, chunk, 0, chunk.length, position);
  }
  for (let position = 0; position < bytes; position += chunk.length) {
    readSync(fd, chunk, 0, chunk.length, position);
  }
  // Nobody is to be measured while the disk still writes.
  fsyncSync(fd);
  closeSync(fd);
  return path;
}

function isThere(path: string, bytes: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === bytes;
}
