/** Works on names: stat, open and close, small files, a whole tree. */

import { constants } from 'node:fs';
import { absentPath, BLOCK_BYTES, checkEqual, checkStamp, readPath } from '../place.ts';
import { smallPath, treePath, WrongContent } from '../place.ts';
import type { Place } from '../place.ts';
import { CHECK_EVERY, crew, nothing } from './work.ts';
import type { Kit, Work } from './work.ts';

/** Metadata of names that are there. */
export async function stat({ fs }: Kit, place: Place, depth: number): Promise<Work> {
  const paths = smallPaths(place);
  const run = async (operations: number): Promise<void> => {
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        const number = started % paths.length;
        started += 1;
        const { size } = await fs.stat(paths[number] as string);
        if (size !== BLOCK_BYTES) checkEqual(size, BLOCK_BYTES, `the size of file ${number}`);
      }
    });
  };
  return { run, close: nothing };
}

/** Metadata of a name that is not there: what looking for a module is made of. */
export async function absent({ fs }: Kit, place: Place, depth: number): Promise<Work> {
  const path = absentPath(place);
  const run = async (operations: number): Promise<void> => {
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        started += 1;
        try {
          await fs.stat(path);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
          throw error;
        }
        throw new WrongContent(`${path} was found, and is not there`);
      }
    });
  };
  return { run, close: nothing };
}

/** Opens a file that is there and closes it. */
export async function openClose({ fs }: Kit, place: Place, depth: number): Promise<Work> {
  const path = readPath(place);
  const run = async (operations: number): Promise<void> => {
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        started += 1;
        const file = await fs.open(path, constants.O_RDONLY);
        await file.close();
      }
    });
  };
  return { run, close: nothing };
}

/** Reads small files, one after the other in the order of their numbers. */
export async function readSmall({ fs }: Kit, place: Place, depth: number): Promise<Work> {
  const paths = smallPaths(place);
  const run = async (operations: number): Promise<void> => {
    let started = 0;
    await crew(depth, async () => {
      while (started < operations) {
        const number = started % paths.length;
        started += 1;
        const bytes = await fs.readFile(paths[number] as string);
        if (bytes.length !== BLOCK_BYTES || number % CHECK_EVERY === 0) {
          checkEqual(bytes.length, BLOCK_BYTES, `the size of file ${number}`);
          checkStamp(bytes, 0, number);
        }
      }
    });
  };
  return { run, close: nothing };
}

/** The whole tree of small files: its names, and the metadata of each, `depth` at a time. */
export async function walk({ fs }: Kit, place: Place, depth: number): Promise<Work> {
  const tree = treePath(place);
  const once = async (): Promise<void> => {
    const entries = await fs.readdir(tree, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    checkEqual(files.length, place.smallFiles, 'files of the tree');
    let started = 0;
    let bytes = 0;
    await crew(depth, async () => {
      while (started < files.length) {
        const { parentPath, name } = files[started] as (typeof files)[number];
        started += 1;
        const { size } = await fs.stat(`${parentPath}/${name}`);
        bytes += size;
      }
    });
    checkEqual(bytes, place.smallFiles * BLOCK_BYTES, 'bytes of the tree');
  };
  return { run: (operations) => repeat(operations, once), close: nothing };
}

/** Does something so many times, one after the other. */
export async function repeat(operations: number, once: () => Promise<void>): Promise<void> {
  for (let number = 0; number < operations; number += 1) await once();
}

function smallPaths(place: Place): string[] {
  treePath(place);
  return Array.from({ length: place.smallFiles }, (_, number) => smallPath(place, number));
}
