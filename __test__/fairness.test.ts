/** While operations complete as fast as they are asked for, timers and sockets get their turn. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Runtime } from 'wakering';
import { isSlow, makeFolder, nextTurn } from './support/fixtures.ts';

const SECOND = 1000;
const TICK_MS = 10;
/** Other programs of this machine take turns away too: the best of so many seconds counts. */
const ATTEMPTS = 4;
/** Of the ticks that come beside work which gives up its turn each millisecond. */
const SHARE = isSlow ? 0.1 : 0.6;

/** Messages there and back within a second: each takes a few turns. */
const ECHOES = isSlow ? 2 : 50;

interface Turns {
  /** The part of a timer's ticks that came. */
  readonly ticks: number;
  readonly immediates: number;
  readonly operations: number;
}

/** Keeps `depth` operations going for a second, and counts the turns that others get. */
async function saturate(depth: number, one: () => PromiseLike<unknown>): Promise<Turns> {
  let ticks = 0;
  let immediates = 0;
  let operations = 0;
  let going = true;
  const start = performance.now();
  const timer = setInterval(() => (ticks += 1), TICK_MS);
  const again = (): void => {
    immediates += 1;
    if (going) setImmediate(again);
  };
  setImmediate(again);
  const end = start + SECOND;
  const reader = async (): Promise<void> => {
    while (performance.now() < end) {
      await one();
      operations += 1;
    }
  };
  await Promise.all(Array.from({ length: depth }, reader));
  const elapsed = performance.now() - start;
  going = false;
  clearInterval(timer);
  return { ticks: ticks / (elapsed / TICK_MS), immediates, operations };
}

/** A thread that is as busy, with work that leaves others a turn each millisecond. */
async function busyElsewhere(): Promise<Turns> {
  return saturate(1, async () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    await nextTurn();
  });
}

async function checkTurns(
  t: ExecutionContext,
  runtime: Runtime,
  depth: number,
  one: () => PromiseLike<unknown>,
): Promise<void> {
  let best: Turns = { ticks: 0, immediates: 0, operations: 0 };
  for (let attempt = 0; attempt < ATTEMPTS && best.ticks < SHARE; attempt += 1) {
    const elsewhere = await busyElsewhere();
    const turns = await saturate(depth, one);
    const ticks = turns.ticks / elsewhere.ticks;
    if (ticks > best.ticks) best = { ...turns, ticks };
  }
  t.log(
    `${best.operations} operations, ${Math.round(best.ticks * 100)} % of the ticks beside other work, ` +
      `${best.immediates} immediates`,
  );
  t.true(best.ticks >= SHARE, 'the timer keeps firing');
  t.true(best.immediates > (isSlow ? 2 : 20), 'setImmediate gets turns');
  t.true(best.operations > 1000, 'and the operations were many');
  // Where operations take the kernel a while, it is libuv that wakes the runtime anyway.
  const { yields, waits } = runtime.metrics();
  t.true(yields + waits > 0, 'the runtime waits for libuv');
}

test.serial('128 reads at a time leave timers their turn', async (t) => {
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/file`;
  writeFileSync(path, Buffer.alloc(1 << 20, 'x'));
  await using file = await runtime.fs.open(path);
  const buffer = Buffer.alloc(4096);
  await checkTurns(t, runtime, 128, () => file.read(buffer, 0, 4096, 8192));
});

for (const depth of [257, 1000]) {
  test.serial(`${depth} loops, more than a batch holds, leave timers their turn`, async (t) => {
    await using runtime = new Runtime();
    const path = `${await makeFolder(t)}/file`;
    writeFileSync(path, Buffer.alloc(4096));
    await runtime.fs.stat(path);
    await checkTurns(t, runtime, depth, () => runtime.fs.stat(path));
  });
}

test.serial('a single loop of awaited operations leaves timers their turn', async (t) => {
  await using runtime = new Runtime();
  await checkTurns(t, runtime, 1, () => runtime.ops.nop());
});

test.serial('more operations than there are slots leave timers their turn', async (t) => {
  await using runtime = new Runtime({ queueDepth: 16 });
  await checkTurns(t, runtime, 1000, () => runtime.ops.nop());
});

test.serial('a socket of node:net answers while 128 reads at a time go on', async (t) => {
  await using runtime = new Runtime();
  const path = `${await makeFolder(t)}/file`;
  writeFileSync(path, Buffer.alloc(1 << 20, 'x'));
  await using file = await runtime.fs.open(path);
  // Whoever is destroyed first resets the other: no business of this test.
  const server = net.createServer((socket) => void socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  let echoes = 0;
  client.on('error', () => {});
  client.on('data', () => {
    echoes += 1;
    client.write('again');
  });
  client.write('first');
  const buffer = Buffer.alloc(4096);
  let best = { echoes: 0, operations: 0 };
  for (let attempt = 0; attempt < ATTEMPTS && best.echoes < ECHOES; attempt += 1) {
    const before = echoes;
    const { operations } = await saturate(128, () => file.read(buffer, 0, 4096, 0));
    if (echoes - before > best.echoes) best = { echoes: echoes - before, operations };
  }
  client.destroy();
  server.close();
  t.log(`${best.echoes} echoes beside ${best.operations} reads`);
  t.true(best.echoes >= ECHOES);
  t.true(best.operations > 1000);
});
