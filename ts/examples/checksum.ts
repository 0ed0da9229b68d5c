/**
 * Sums a file up without a copy: eight reads at a time, each into memory that the kernel writes to
 * directly.
 *
 *     node dist/examples/checksum.js FILE
 *
 * prints the sum of all bytes, how many there were, and how few system calls it took.
 */

import { constants } from 'node:fs';
import { Runtime } from 'wakering';

const CHUNK_BYTES = 65_536;
const READERS = 8;

const [path] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node dist/examples/checksum.js FILE');
  process.exit(2);
}

await using runtime = new Runtime();
const { ops } = runtime;
const file = await ops.open(path, constants.O_RDONLY, 0);
let next = 0;
let sum = 0;
let total = 0;

/** Takes one chunk after the other until the file ends. */
async function reader(): Promise<void> {
  using lease = runtime.lease(CHUNK_BYTES);
  const { view } = lease;
  for (;;) {
    const position = next;
    next += CHUNK_BYTES;
    const count = await ops.read(file, view, 0, CHUNK_BYTES, position);
    for (const byte of view.subarray(0, count)) sum += byte;
    total += count;
    if (count < CHUNK_BYTES) return;
  }
}

await Promise.all(Array.from({ length: READERS }, reader));
await ops.close(file);
const { enters, completed } = runtime.metrics();
console.log(`sum ${sum} of ${total} bytes`);
console.log(`${completed['Read']} reads, ${enters} system calls of the driver`);
