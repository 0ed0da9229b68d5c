// The work that tools/evidence/syscalls.mjs watches: awaited reads of 4 KiB from the page cache.
//
//     node tools/evidence/reads.mjs wakering|node FILE READS DEPTH
//
// prints a line of JSON: the threads before and in the middle of it, and what the runtime counted.

import { readFileSync, readdirSync } from 'node:fs';

const READ_BYTES = 4096;
const [who, path, readsText, depthText] = process.argv.slice(2);
const reads = Number(readsText);
const depth = Number(depthText);
const blocks = readFileSync(path).length / READ_BYTES;

const before = threads();
const { file, metrics, close } = who === 'wakering' ? await wakering() : await node();
let middle = before;
let started = 0;
const reader = async () => {
  const buffer = Buffer.alloc(READ_BYTES);
  while (started < reads) {
    const number = started++;
    const block = (number * 7919) % blocks;
    await file.read(buffer, 0, READ_BYTES, block * READ_BYTES);
    if (buffer.readUInt32LE(0) !== block) throw new Error(`block ${block} is wrong`);
    if (number === reads >> 1) middle = threads();
  }
};
await Promise.all(Array.from({ length: depth }, reader));
console.log(JSON.stringify({ before, middle, metrics: metrics() }));
await close();

async function wakering() {
  const { Runtime } = await import('wakering');
  const runtime = new Runtime();
  const opened = await runtime.fs.open(path);
  const counted = () => {
    const { lanes, enters, flushes } = runtime.metrics();
    return { driver: runtime.capabilities().driver, lanes, enters, flushes };
  };
  return { file: opened, metrics: counted, close: () => runtime.close() };
}

async function node() {
  const { open } = await import('node:fs/promises');
  const opened = await open(path);
  return { file: opened, metrics: () => undefined, close: () => opened.close() };
}

/** The names of this process's threads, as `ps -T` shows them. */
function threads() {
  return readdirSync('/proc/self/task')
    .map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())
    .toSorted();
}
