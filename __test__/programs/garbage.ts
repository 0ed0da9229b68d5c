/**
 * Writes garbage into the port's memory and has it carried out, for a while; then shows that the
 * process still works. To be run in an empty folder, as a user who may harm nothing:
 *
 *     node garbage.js SECONDS SEED
 *
 * Prints one line of JSON; any other end is a failure.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { Runtime } from 'wakering';
import type { OpenFile } from 'wakering';
import type * as AbiModule from '../../ts/generated/abi.ts';
import type * as BufferModule from '../../ts/buffer.ts';
import type * as LaneModule from '../../ts/lane.ts';
import type * as NativeModule from '../../ts/native.ts';
import type * as OptionsModule from '../../ts/options.ts';
import type * as PortModule from '../../ts/port.ts';
import { numbersFrom, pause } from '../support/fixtures.ts';

// The port is nobody's to use but the package's own, so it is found by its file.
const inside = async <T>(file: string): Promise<T> =>
  (await import(new URL(file, import.meta.resolve('wakering')).href)) as T;
const abi = await inside<typeof AbiModule>('./generated/abi.js');
const { Buffers } = await inside<typeof BufferModule>('./buffer.js');
const { Lane } = await inside<typeof LaneModule>('./lane.js');
const { native } = await inside<typeof NativeModule>('./native.js');
const { nativeOptions } = await inside<typeof OptionsModule>('./options.js');
const { Port } = await inside<typeof PortModule>('./port.js');
const { Completion, CompletionFlag, Descriptor, Opcode, Port: Areas } = abi;

const [seconds = Number.NaN, seed = Number.NaN] = process.argv.slice(2).map(Number);
const next = numbersFrom(seed);
const SLOTS = 256;
const COUNTED_BYTES = 300_000;
const counted = Buffer.alloc(COUNTED_BYTES);
for (let index = 0; index < COUNTED_BYTES; index += 1) counted[index] = index * 7 + (index >> 8);
mkdirSync('mine');
writeFileSync('mine/counted', counted);

const addon = native();
const port = new Port(addon, nativeOptions({ queueDepth: SLOTS, poolThreads: 8 }));
const handOver = port.native.flusher();
const buffers = new Buffers(port.native);
const lane = new Lane(port, buffers);
// Slabs are lent when they are needed: garbage is to find some.
buffers.take(1, { slab: undefined, offset: 0 });
buffers.lease(1);
/** Somebody else's runtime in the same process, which must not notice anything. */
const neighbour = new Runtime();

const words = port.words;
const bytes = new Uint8Array(port.memory, 0, Areas.BYTES);
const opcodes = Object.values(Opcode);
const nameOf = new Map<number, string>(
  Object.entries(Opcode).map(([name, number]) => [number, name]),
);
/** Which operation each slot was last asked for. */
const asked = new Uint32Array(SLOTS);
/** Names of operations that succeeded, as far as can be told where a slot is named twice. */
const succeeded = new Set<string>();
const files: Pick<OpenFile, 'index' | 'generation'>[] = await Promise.all(
  ['one', 'two', 'three'].map((name) => lane.open(name, 0o102, 0o666)),
);
const counts = { flushes: 0, descriptors: 0, records: 0, refused: 0, neighbour: 0 };
/** Words that numbers are often compared with. */
const edges = [0, 1, 2, 3, 255, 256, 4095, 4096, 65_535, 65_536, 1 << 20, 0x7fff_ffff, 0x8000_0000];

function anyWord(): number {
  const kind = next(4);
  if (kind === 0) return next(64);
  if (kind === 1) return edges[next(edges.length)] as number;
  if (kind === 2) return 0xffff_ffff - next(16);
  return next(0xffff_ffff);
}

/** Bytes without any sense, everywhere. */
function fillAtRandom(): void {
  for (let index = 0; index < Areas.DESCRIPTORS_MAX * Descriptor.WORDS; index += 1) {
    words[index] = anyWord();
  }
}

/** Paths that lead nowhere but into this folder. */
const names = ['one', 'two', 'three', 'a', 'a/b', 'a/b/c', '.', 'link', 'x'.repeat(300), ''];

/** Descriptors that make some sense: an opcode, often a slot, a handle or a path that exist. */
function fillWithSense(count: number): void {
  for (let index = 0; index < count; index += 1) {
    const at = index * Descriptor.WORDS;
    for (let word = 0; word < Descriptor.WORDS; word += 1) words[at + word] = anyWord();
    const opcode = opcodes[next(opcodes.length)] as number;
    words[at] = opcode | (next(16) << 8) | (next(3) << 16);
    if (next(8) > 0) words[at + Descriptor.SLOT] = next(SLOTS);
    const file = files[next(16)];
    if (next(4) > 0 && file !== undefined) {
      words[at + Descriptor.HANDLE] = next(3) > 0 ? file.index : 0xffff_ffff;
      words[at + Descriptor.HANDLE_GENERATION] = file.generation;
    }
    if (next(2) === 0) words[at + Descriptor.BUFFER] = next(3);
    if (next(2) === 0) words[at + Descriptor.LENGTH] = next(100_000);
    if (next(2) === 0) words[at + Descriptor.BUFFER_OFFSET] = next(1 << 20);
    // Sparse files need no room on the disk, and RLIMIT_FSIZE bounds them.
    if (next(2) === 0) words[at + Descriptor.OFFSET_HIGH] = 0;
    if (next(2) === 0) words[at + Descriptor.OP_FLAGS] = 0;
    for (let path = 0; path < 2; path += 1) {
      const name = names[next(names.length)] as string;
      const place = next(Areas.ARENA_BYTES - 512);
      bytes.set(Buffer.from(name), Areas.ARENA_OFFSET + place);
      if (next(4) > 0) {
        words[at + Descriptor.ARGS + 2 * path] = place;
        words[at + Descriptor.ARGS + 2 * path + 1] = name.length;
      }
    }
  }
}

function flush(count: number): void {
  counts.flushes += 1;
  counts.descriptors += Math.min(count, Areas.DESCRIPTORS_MAX);
  for (let index = 0; index < Math.min(count, Areas.DESCRIPTORS_MAX); index += 1) {
    const at = index * Descriptor.WORDS;
    asked[words[at + Descriptor.SLOT]!] = words[at]! & 0xff;
  }
  const records = handOver(count);
  counts.records += records;
  for (let index = 0; index < records; index += 1) look(index);
}

/** Notes what succeeded, and keeps some of the files that were opened for garbage to come. */
function look(index: number): void {
  const at = Areas.COMPLETIONS_OFFSET / 4 + index * Completion.WORDS;
  if (port.results[at + Completion.RESULT]! < 0) return;
  const name = nameOf.get(asked[words[at + Completion.SLOT]!]!);
  if (name !== undefined && !name.startsWith('Cancel')) succeeded.add(name);
  if ((words[at + Completion.FLAGS]! & CompletionFlag.Opened) !== 0) {
    files[next(16)] = {
      index: words[at + Completion.HANDLE]!,
      generation: words[at + Completion.HANDLE_GENERATION]!,
    };
  }
}

/** Calls of the addon with numbers that nobody checked. */
function callAtRandom(): void {
  const slot = anyWord();
  const data = new Uint8Array(next(3) === 0 ? next(200_000) : next(100));
  try {
    if (next(3) === 0) port.native.stage(slot, data);
    else if (next(2) === 0) port.native.takeOwned(slot);
    else port.native.copyOwned(slot, data, anyWord());
  } catch {
    counts.refused += 1;
  }
}

/** Real work of somebody else meanwhile. */
async function neighbourly(): Promise<void> {
  const content = await neighbour.fs.readFile('mine/counted');
  if (!counted.equals(content)) throw new Error('a neighbour read wrong bytes');
  counts.neighbour += 1;
}

async function makeGarbage(): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const kind = next(3);
    const count = next(8) === 0 ? anyWord() : next(Areas.DESCRIPTORS_MAX + 1);
    if (kind === 0) fillAtRandom();
    else fillWithSense(Math.min(count, Areas.DESCRIPTORS_MAX));
    // Where the records and results come to lie is garbage too, before they come.
    if (next(8) === 0) bytes.fill(next(256), Areas.COMPLETIONS_OFFSET);
    flush(count);
    for (let calls = next(4); calls > 0; calls -= 1) callAtRandom();
    if (next(16) === 0) endAll();
    if (next(64) === 0) await neighbourly();
    if (next(16) === 0) await pause(next(3));
  }
}

/** Asks that everything under way be given up. */
function endAll(): void {
  words.fill(0, 0, Descriptor.WORDS);
  words[0] = Opcode.CancelAll;
  words[Descriptor.SLOT] = abi.SLOT_NONE;
  flush(1);
}

/** Ends what the garbage started: sleeps of years, opens of FIFOs, reads of what never comes. */
async function reset(): Promise<void> {
  const end = performance.now() + 20_000;
  while (port.metrics().inFlight > 0) {
    endAll();
    await pause(5);
    if (performance.now() > end) {
      throw new Error(`${port.metrics().inFlight} operations do not end`);
    }
  }
}

/** The same port, used as it should be: right bytes, by every way. */
async function works(): Promise<void> {
  const file = await lane.open('mine/counted', 0, 0);
  const into = Buffer.alloc(4096);
  for (let round = 0; round < 200; round += 1) {
    const position = next(COUNTED_BYTES - 4096);
    const count = await lane.read(file, into, 0, 4096, position);
    if (count !== 4096 || !into.equals(counted.subarray(position, position + 4096))) {
      throw new Error(`wrong bytes at ${position}`);
    }
  }
  const whole = await lane.readOwned(file, COUNTED_BYTES, 0);
  if (!counted.equals(whole)) throw new Error('wrong bytes in a large read');
  const { size } = await lane.statPath('mine/counted', true, false);
  if (size !== COUNTED_BYTES) throw new Error(`wrong size: ${size}`);
  const out = await lane.open('mine/written', 0o1102, 0o666);
  if ((await lane.write(out, counted, 0, 200_000, 0)) !== 200_000) throw new Error('wrote less');
  await lane.close(out);
  const back = await neighbour.fs.readFile('mine/written');
  if (!counted.subarray(0, 200_000).equals(back)) throw new Error('wrote wrong bytes');
  await lane.close(file);
  await neighbourly();
}

if (!Number.isFinite(seconds + seed)) {
  throw new Error('usage: garbage.js SECONDS SEED');
}
await makeGarbage();
await reset();
await works();
const { malformed, completed } = port.metrics();
await port.close();
await neighbour.close();
const done = completed.reduce((sum, count) => sum + count, 0);
const report = { ...counts, malformed, completed: done, succeeded: [...succeeded].toSorted() };
process.stdout.write(`${JSON.stringify(report)}\n`);
