/** Awaited 4 KiB reads of a file that is in the page cache, at random places. */

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runtime } from 'wakering';
import type { Lease } from 'wakering';
import { numbersFrom } from '../support/fixtures.ts';
import { compare } from './measure.ts';
import type { Contender, Effort, Measurement } from './measure.ts';

const READ_BYTES = 4096;
const DEPTHS = [1, 32, 128] as const;
const DEPTH_MAX = 128;
const SEED = 20_261_121;
/** One read in so many is looked at. */
const CHECK_EVERY = 64;

/** What one depth gave. */
export interface Row {
  readonly depth: number;
  readonly measurements: readonly Measurement[];
}

/** What the bench gave. */
export interface Result {
  readonly title: string;
  /** Which driver carried our reads, and why. */
  readonly driver: string;
  readonly rows: readonly Row[];
}

/** Reads a block into a reader's own memory. */
type ReadBlock = (reader: number, position: number) => PromiseLike<unknown>;

/** Runs the bench over a file of `bytes` bytes. */
export async function bench(bytes: number, effort: Effort): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'wakering-bench-'));
  try {
    const path = join(folder, 'file');
    makeFile(path, bytes);
    return await benchFile(path, bytes, effort);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file whose blocks each begin and end with their number. Reading it fills the page cache. */
function makeFile(path: string, bytes: number): void {
  const chunk = Buffer.alloc(1 << 20);
  const fd = openSync(path, 'w+');
  for (let position = 0; position < bytes; position += chunk.length) {
    for (let at = 0; at < chunk.length; at += READ_BYTES) {
      const block = (position + at) / READ_BYTES;
      chunk.writeUInt32LE(block, at);
      chunk.writeUInt32LE(block, at + READ_BYTES - 4);
    }
    writeSync(fd, chunk, 0, chunk.length, position);
  }
  for (let position = 0; position < bytes; position += chunk.length) {
    readSync(fd, chunk, 0, chunk.length, position);
  }
  closeSync(fd);
}

async function benchFile(path: string, bytes: number, effort: Effort): Promise<Result> {
  const blocks = bytes / READ_BYTES;
  const theirs = await nodeFs.open(path);
  await using runtime = new Runtime();
  const { ops } = runtime;
  const handle = await runtime.fs.open(path);
  const file = await ops.open(path, 0, 0);
  const buffers = Array.from({ length: DEPTH_MAX }, () => Buffer.alloc(READ_BYTES));
  const leases: Lease[] = buffers.map(() => runtime.lease(READ_BYTES));
  const views = leases.map(({ view }) => view);
  const systemCalls = (): number => {
    const { enters, lanes, cachedMisses } = runtime.metrics();
    // A read that is tried on this thread is a system call of its own.
    return enters + lanes.inline + cachedMisses;
  };
  const at = (memory: readonly Buffer[], reader: number): Buffer => memory[reader] as Buffer;

  const nodes: ReadBlock = (reader, position) =>
    theirs.read(at(buffers, reader), 0, READ_BYTES, position);
  const dropIn: ReadBlock = (reader, position) =>
    handle.read(at(buffers, reader), 0, READ_BYTES, position);
  const leased: ReadBlock = (reader, position) =>
    handle.read(at(views, reader), 0, READ_BYTES, position);
  const op: ReadBlock = (reader, position) =>
    ops.read(file, at(views, reader), 0, READ_BYTES, position);

  const rows: Row[] = [];
  for (const depth of DEPTHS) {
    const reads = (
      name: string,
      memory: readonly Buffer[],
      read: ReadBlock,
      counted: boolean,
    ): Contender => ({
      name,
      run: (operations) => readers(depth, operations, blocks, memory, read),
      ...(counted && { systemCalls }),
    });
    const contenders = [
      reads('node:fs/promises, FileHandle.read', buffers, nodes, false),
      reads('wakering, FileHandle.read', buffers, dropIn, true),
      reads('wakering, FileHandle.read of a lease', views, leased, true),
      reads('wakering, Op of a lease', views, op, true),
    ];
    rows.push({ depth, measurements: await compare(contenders, effort) });
  }
  const { driver, reason } = runtime.capabilities();
  for (const lease of leases) lease[Symbol.dispose]();
  await Promise.all([handle.close(), ops.close(file), theirs.close()]);
  const title = `Awaited reads of ${READ_BYTES} bytes, cached, at random places of ${bytes >> 20} MiB`;
  return { title, driver: `${driver}: ${reason}`, rows };
}

/** `depth` readers share the places that a seed gives: the same ones for each contender. */
async function readers(
  depth: number,
  operations: number,
  blocks: number,
  memory: readonly Buffer[],
  read: ReadBlock,
): Promise<void> {
  const place = numbersFrom(SEED);
  let started = 0;
  const reader = async (index: number): Promise<void> => {
    while (started < operations) {
      const number = started;
      started += 1;
      const block = place(blocks);
      await read(index, block * READ_BYTES);
      if (number % CHECK_EVERY === 0) check(memory[index], block);
    }
  };
  await Promise.all(Array.from({ length: depth }, (_, index) => reader(index)));
}

function check(bytes: Buffer | undefined, block: number): void {
  const first = bytes?.readUInt32LE(0);
  const last = bytes?.readUInt32LE(READ_BYTES - 4);
  if (first === block && last === block) return;
  throw new Error(`block ${block} was read as ${first} to ${last}`);
}
