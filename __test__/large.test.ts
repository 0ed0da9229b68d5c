/** Large transfers, and places far out in a file. */

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { Runtime } from 'wakering';
import type { OpenFile } from 'wakering';
import { isSlow, makeFolder, numbersFrom } from './support/fixtures.ts';
import { skip } from './support/launch.ts';

const { O_CREAT, O_RDONLY, O_RDWR } = constants;
const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES: readonly number[] = isSlow
  ? [300 * KIB, MIB + 1]
  : [300 * KIB, 512 * KIB, MIB, 3 * MIB + 17, 8 * MIB];

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes of which no two places look alike. */
function noise(bytes: number, seed: number): Buffer {
  const next = numbersFrom(seed);
  const words = Uint32Array.from({ length: Math.ceil(bytes / 4) }, () => next(2 ** 32));
  return Buffer.from(words.buffer, 0, bytes);
}

/** The worker loop is the uring driver's; with the other, its threads carry large transfers. */
function checkLane(t: ExecutionContext, runtime: Runtime): void {
  const { lanes } = runtime.metrics();
  if (runtime.capabilities().driver === 'uring') t.true(lanes.worker > 0, JSON.stringify(lanes));
  else t.is(lanes.worker, 0);
}

for (const bytes of SIZES) {
  test(`${bytes} bytes are read right, by each way`, async (t) => {
    await using runtime = new Runtime();
    const path = `${await makeFolder(t)}/file`;
    const content = noise(bytes, bytes);
    writeFileSync(path, content);
    const expected = sha256(content);

    await using file = await runtime.fs.open(path);
    const whole = Buffer.alloc(bytes + 10, 'z');
    t.is((await file.read(whole, 5, bytes, 0)).bytesRead, bytes);
    t.is(sha256(whole.subarray(5, 5 + bytes)), expected);
    t.is(whole.subarray(0, 5).toString() + whole.subarray(5 + bytes).toString(), 'zzzzzzzzzz');

    t.is(sha256(await runtime.fs.readFile(path)), expected);

    const open = await runtime.ops.open(path, O_RDONLY, 0);
    const owned = await runtime.ops.readOwned(open, bytes + 100, 0);
    t.is(owned.length, bytes);
    t.is(sha256(owned), expected);
    await runtime.ops.close(open);
    checkLane(t, runtime);
  });

  test(`${bytes} bytes are written right, by each way`, async (t) => {
    await using runtime = new Runtime();
    const path = `${await makeFolder(t)}/file`;
    const content = noise(bytes + 7, bytes);
    const part = content.subarray(7);
    const expected = sha256(part);

    {
      await using file = await runtime.fs.open(path, 'w');
      t.is((await file.write(content, 7, bytes, 0)).bytesWritten, bytes);
    }
    t.is(sha256(readFileSync(path)), expected);

    await runtime.fs.writeFile(`${path}-2`, part);
    t.is(sha256(readFileSync(`${path}-2`)), expected);

    const open = await runtime.ops.open(`${path}-3`, O_RDWR | O_CREAT, 0o666);
    // The program may do what it likes with its buffer once the operation is done, not before.
    t.is(await runtime.ops.write(open, content, 7, bytes, null), bytes);
    content.fill(0);
    await runtime.ops.close(open);
    t.is(sha256(readFileSync(`${path}-3`)), expected);
    checkLane(t, runtime);
  });
}

test('large and small operations side by side do not mix their bytes', async (t) => {
  await using runtime = new Runtime({ queueDepth: 64 });
  const folder = await makeFolder(t);
  const sizes = [100, 4096, 60_000, 300 * KIB, MIB];
  const contents = sizes.map((bytes) => noise(bytes, bytes + 1));
  await Promise.all(contents.map((content, i) => runtime.fs.writeFile(`${folder}/${i}`, content)));
  const repeated = Array.from({ length: isSlow ? 20 : 100 }, (_, i) => i % sizes.length);
  const read = await Promise.all(repeated.map((i) => runtime.fs.readFile(`${folder}/${i}`)));
  for (const [place, bytes] of read.entries()) {
    t.true(bytes.equals(contents[repeated[place] ?? 0] ?? Buffer.alloc(0)), `read ${place}`);
  }
});

test('a FileHandle moves more than one operation can, and says how much', async (t) => {
  if (isSlow) return skip(t, 'an emulated machine has too little memory and time for it');
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/file`;
  const bytes = 65 * MIB + 3;
  const content = noise(bytes, 65);
  const expected = sha256(content);
  {
    await using file = await runtime.fs.open(path, 'w+');
    t.is((await file.write(content, 0, bytes, 0)).bytesWritten, bytes);
    t.is(sha256(readFileSync(path)), expected);
    t.is(
      (await file.writev([content.subarray(0, 10), content.subarray(10)], 0)).bytesWritten,
      bytes,
    );
  }
  t.is(sha256(readFileSync(path)), expected);
  await using file = await runtime.fs.open(path);
  const whole = Buffer.alloc(bytes + 100);
  t.is((await file.read(whole, 50, bytes, null)).bytesRead, bytes);
  t.is(sha256(whole.subarray(50, 50 + bytes)), expected);
  t.is((await file.read(whole, 0, 10, null)).bytesRead, 0, 'the position is behind all of it');
  t.is((await file.read(whole, 0, bytes + 100, 1000n)).bytesRead, bytes - 1000);
  t.is(sha256(whole.subarray(0, bytes - 1000)), sha256(content.subarray(1000)));
  const halves = [Buffer.alloc(40 * MIB), Buffer.alloc(40 * MIB)];
  t.is((await file.readv(halves, 0)).bytesRead, bytes);
  t.is(sha256(Buffer.concat(halves).subarray(0, bytes)), expected);
});

test('one operation of more than 64 MiB is refused by name', async (t) => {
  await using runtime = new Runtime();
  const file = await runtime.ops.open('package.json', O_RDONLY, 0);
  const bytes = 64 * MIB + 1;
  const refused = {
    code: 'ERR_OUT_OF_RANGE',
    message: /"length" .* >= 0 && <= 67108864\. Received 67108865/,
  };
  t.throws(() => runtime.ops.readOwned(file, bytes, 0), refused);
  t.throws(() => runtime.ops.readOwned(file, -1, 0), { code: 'ERR_OUT_OF_RANGE' });
  if (isSlow) return;
  t.throws(() => runtime.ops.read(file, Buffer.alloc(bytes), 0, bytes, 0), refused);
  t.throws(() => runtime.ops.write(file, Buffer.alloc(bytes), 0, bytes, 0), refused);
});

interface Place {
  readonly name: string;
  readonly number: number;
}

const places: readonly Place[] = [
  { name: 'at 2 GiB', number: 2 ** 31 },
  { name: 'across 4 GiB', number: 2 ** 32 - 2 },
  { name: 'at 5,000,000,000', number: 5_000_000_000 },
  { name: 'at 1 TiB', number: 2 ** 40 + 3 },
];

for (const { name, number } of places) {
  test(`${name}, reads and writes go where they should, as number and as bigint`, async (t) => {
    await using runtime = new Runtime();
    const { ops } = runtime;
    const path = `${await makeFolder(t)}/sparse`;
    const file = await ops.open(path, O_RDWR | O_CREAT, 0o666);
    const text = Buffer.from('far out');
    t.is(await ops.write(file, text, 0, text.length, number), text.length);
    t.is(statSync(path).size, number + text.length);
    t.is((await runtime.fs.stat(path)).size, number + text.length);
    t.is(at(path, number, text.length), 'far out');

    const further = BigInt(number) + 100_000n;
    t.is(await ops.write(file, text, 0, text.length, further), text.length);
    t.is(at(path, Number(further), text.length), 'far out');

    for (const position of [number, BigInt(number), further]) {
      t.is(await readText(runtime, file, text.length, position), 'far out');
      t.is((await ops.readOwned(file, 7, position)).toString(), 'far out');
    }
    t.is(await readText(runtime, file, 7, number - 7), '\0'.repeat(7));
    t.is(await readText(runtime, file, 7, further + 7n), '');
    await ops.close(file);

    await using handle = await runtime.fs.open(path);
    const buffer = Buffer.alloc(7);
    await handle.read(buffer, 0, 7, BigInt(number));
    t.is(buffer.toString(), 'far out');
  });
}

async function readText(
  runtime: Runtime,
  file: OpenFile,
  length: number,
  position: number | bigint,
): Promise<string> {
  const buffer = Buffer.alloc(length);
  const count = await runtime.ops.read(file, buffer, 0, length, position);
  return buffer.toString('latin1', 0, count);
}

/** What Node finds there. */
function at(path: string, position: number, length: number): string {
  const buffer = Buffer.alloc(length);
  const fd = openSync(path, 'r');
  readSync(fd, buffer, 0, length, position);
  closeSync(fd);
  return buffer.toString();
}

test('a large transfer far out in a file', async (t) => {
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/sparse`;
  const content = noise(MIB, 3);
  await using file = await runtime.fs.open(path, 'w+');
  const position = 2 ** 32 - 1000;
  t.is((await file.write(content, 0, MIB, position)).bytesWritten, MIB);
  const back = Buffer.alloc(MIB);
  t.is((await file.read(back, 0, MIB, position)).bytesRead, MIB);
  t.is(sha256(back), sha256(content));
});

test('ftruncate and fallocate take lengths beyond 4 GiB', async (t) => {
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/sparse`;
  const file = await runtime.ops.open(path, O_RDWR | O_CREAT, 0o666);
  await runtime.ops.ftruncate(file, 6_000_000_000);
  t.is(statSync(path).size, 6_000_000_000);
  await runtime.ops.ftruncate(file, 7_000_000_000n);
  t.is(statSync(path).size, 7_000_000_000);
  const FALLOC_FL_KEEP_SIZE_PUNCH_HOLE = 3;
  await runtime.ops.fallocate(file, FALLOC_FL_KEEP_SIZE_PUNCH_HOLE, 0, 6_500_000_000);
  t.is(statSync(path).size, 7_000_000_000);
  await runtime.ops.close(file);
});
