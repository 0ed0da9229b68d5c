/** Works on blocks of a file: reads and writes of 4 KiB at random places. */

import fs, { closeSync, constants, openSync, readSync } from 'node:fs';
import { numbersFrom } from '../../support/fixtures.ts';
import { BLOCK_BYTES, checkStamp, readPath, stamp, writePath } from '../place.ts';
import type { Place } from '../place.ts';
import { CHECK_EVERY, crew, SEED } from './work.ts';
import type { Kit, Work } from './work.ts';

const { O_DIRECT, O_RDONLY, O_RDWR } = constants;

/** Awaited reads from the page cache. */
export function read(kit: Kit, place: Place, depth: number): Promise<Work> {
  return reads(kit, place, depth, O_RDONLY);
}

/** Awaited reads from the device. */
export function readDirect(kit: Kit, place: Place, depth: number): Promise<Work> {
  return reads(kit, place, depth, O_RDONLY | O_DIRECT);
}

async function reads(kit: Kit, place: Place, depth: number, flags: number): Promise<Work> {
  const file = await kit.fs.open(readPath(place), flags);
  const memory = kit.memory(BLOCK_BYTES, depth, flags !== O_RDONLY);
  const blocks = place.fileBytes / BLOCK_BYTES;
  const run = async (operations: number): Promise<void> => {
    const next = numbersFrom(SEED);
    let started = 0;
    await crew(depth, async (worker) => {
      const view = memory[worker] as Buffer;
      while (started < operations) {
        const number = started;
        started += 1;
        const block = next(blocks);
        await file.read(view, 0, BLOCK_BYTES, block * BLOCK_BYTES);
        if (number % CHECK_EVERY === 0) checkStamp(view, 0, block);
      }
    });
  };
  return { run, close: async () => void (await file.close()) };
}

/** The same reads as {@link read} by callbacks of `node:fs`, without promises. */
export async function readCallback(kit: Kit, place: Place, depth: number): Promise<Work> {
  const fd = openSync(readPath(place), O_RDONLY);
  const memory = kit.memory(BLOCK_BYTES, depth, false);
  const blocks = place.fileBytes / BLOCK_BYTES;
  const run = (operations: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = numbersFrom(SEED);
      let started = 0;
      let ended = 0;
      const step = (view: Buffer): void => {
        if (started === operations) return;
        const number = started;
        started += 1;
        const block = next(blocks);
        fs.read(fd, view, 0, BLOCK_BYTES, block * BLOCK_BYTES, (error) => {
          try {
            if (error) throw error;
            if (number % CHECK_EVERY === 0) checkStamp(view, 0, block);
          } catch (wrong) {
            reject(wrong as Error);
            return;
          }
          ended += 1;
          if (ended === operations) resolve();
          else step(view);
        });
      };
      for (const view of memory) step(view);
    });
  return { run, close: async () => closeSync(fd) };
}

/** Awaited writes into the page cache. */
export async function write(kit: Kit, place: Place, depth: number): Promise<Work> {
  const path = writePath(place, kit.name);
  const file = await kit.fs.open(path, O_RDWR);
  const memory = kit.memory(BLOCK_BYTES, depth, false);
  const blocks = place.writeBytes / BLOCK_BYTES;
  const found = Buffer.alloc(BLOCK_BYTES);
  let runs = 0;
  const run = async (operations: number): Promise<void> => {
    const next = numbersFrom(SEED);
    // Another number each time: what an earlier run wrote there does not pass for this one's.
    runs += 1;
    const last = new Map<number, number>();
    let started = 0;
    await crew(depth, async (worker) => {
      const view = memory[worker] as Buffer;
      while (started < operations) {
        const number = started;
        started += 1;
        const block = next(blocks);
        stamp(view, 0, block + runs);
        if (number % CHECK_EVERY === 0) last.set(block, block + runs);
        await file.write(view, 0, BLOCK_BYTES, block * BLOCK_BYTES);
      }
    });
    const fd = openSync(path, O_RDONLY);
    for (const [block, number] of [...last].slice(-CHECK_EVERY)) {
      readSync(fd, found, 0, BLOCK_BYTES, block * BLOCK_BYTES);
      checkStamp(found, 0, number);
    }
    closeSync(fd);
  };
  return { run, close: async () => void (await file.close()) };
}
