/** Works on a large file as a whole; they are done one at a time. */

import { closeSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_BYTES, checkEqual, checkStamp, copyPath, readPath } from '../place.ts';
import type { Place } from '../place.ts';
import { repeat } from './paths.ts';
import { needs, nothing } from './work.ts';
import type { Kit, Work } from './work.ts';

/** `for await` over a file's stream, with the stream's own chunk size. */
export async function stream(kit: Kit, place: Place): Promise<Work> {
  const path = readPath(place);
  const create = needs(kit.createReadStream?.bind(kit), kit, 'createReadStream');
  const once = async (): Promise<void> => {
    let bytes = 0;
    for await (const chunk of create(path)) {
      // Chunks are whole blocks as far as anybody makes them; the sum tells about the others.
      if (bytes % BLOCK_BYTES === 0 && chunk.length % BLOCK_BYTES === 0) {
        const last = chunk.length - BLOCK_BYTES;
        checkStamp(chunk, 0, bytes / BLOCK_BYTES);
        checkStamp(chunk, last, (bytes + last) / BLOCK_BYTES);
      }
      bytes += chunk.length;
    }
    checkEqual(bytes, place.fileBytes, 'bytes of the stream');
  };
  return { run: (operations) => repeat(operations, once), close: nothing };
}

/** `readFile` of the large file. */
export async function readLarge({ fs }: Kit, place: Place): Promise<Work> {
  const path = readPath(place);
  const once = async (): Promise<void> => {
    const bytes = await fs.readFile(path);
    checkEqual(bytes.length, place.fileBytes, 'bytes of the file');
    checkMany(place.fileBytes, (at, number) => checkStamp(bytes, at, number));
  };
  return { run: (operations) => repeat(operations, once), close: nothing };
}

/** `copyFile` to a name that is not there yet. */
export async function copy({ fs, name }: Kit, place: Place): Promise<Work> {
  const from = copyPath(place);
  const copies: string[] = [];
  const block = Buffer.alloc(BLOCK_BYTES);
  const once = async (): Promise<void> => {
    const to = join(place.folder, `copied-${name}-${copies.length}`);
    copies.push(to);
    await fs.copyFile(from, to);
    checkEqual(statSync(to).size, place.copyBytes, 'bytes of the copy');
    const fd = openSync(to, 'r');
    checkMany(place.copyBytes, (at, number) => {
      readSync(fd, block, 0, BLOCK_BYTES, at);
      checkStamp(block, 0, number);
    });
    closeSync(fd);
  };
  return {
    run: (operations) => repeat(operations, once),
    async clean() {
      for (const path of copies.splice(0)) rmSync(path);
    },
    close: nothing,
  };
}

/** Looks at 64 blocks from the first to the last. */
function checkMany(bytes: number, look: (at: number, number: number) => void): void {
  const blocks = bytes / BLOCK_BYTES;
  for (let step = 0; step < 64; step += 1) {
    const number = Math.floor((step * (blocks - 1)) / 63);
    look(number * BLOCK_BYTES, number);
  }
}
