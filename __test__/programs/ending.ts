/**
 * A process that ends in the middle of operations: `node ending.js WHAT HOW FOLDER`. It says `going`
 * when the operation is under way, and ends as it was told.
 */

import { constants } from 'node:fs';
import { join } from 'node:path';
import { Runtime } from 'wakering';

const [what = '', how = '', folder = ''] = process.argv.slice(2);
const runtime = new Runtime();
const { ops } = runtime;
const { O_CREAT, O_RDONLY, O_RDWR } = constants;

const operations: Record<string, () => unknown> = {
  'pipe read': async () => {
    const file = await ops.open(join(folder, 'fifo'), O_RDWR, 0);
    return ops.read(file, Buffer.alloc(8), 0, 8, null);
  },
  'large pipe read': async () => {
    const file = await ops.open(join(folder, 'fifo'), O_RDWR, 0);
    return ops.readOwned(file, 1 << 20, null);
  },
  'blocked open': () => ops.open(join(folder, 'fifo'), O_RDONLY, 0),
  'large writes': async () => {
    const file = await ops.open(join(folder, 'large'), O_RDWR | O_CREAT, 0o644);
    const data = Buffer.alloc(8 << 20, 1);
    for (let index = 0; index < 8; index += 1) void ops.write(file, data, 0, data.length, 0);
    void ops.fsync(file);
  },
  sleep: () => ops.sleep(60_000),
  everything: () => {
    for (const [name, start] of Object.entries(operations)) if (name !== 'everything') start();
    for (let index = 0; index < 2000; index += 1) void ops.statPath(folder, true, false);
    return ops.readdir(folder);
  },
};

const endings: Record<string, () => void> = {
  exit: () => process.exit(3),
  'exit in a callback': () => void ops.nop().then(() => process.exit(3)),
  throw: () => {
    setImmediate(() => {
      throw new Error('thrown on purpose');
    });
  },
  'throw in a callback': () => {
    const throwIt = (): never => {
      throw new Error('thrown on purpose');
    };
    void ops.nop().then(() => process.nextTick(throwIt));
  },
  // Until somebody sends one.
  signal: () => {},
};

process.on('exit', () => {
  // What is asked for this late is refused or forgotten, and hurts nothing.
  ops.nop().catch(() => {});
});
const start = operations[what];
const end = endings[how];
if (start === undefined || end === undefined) throw new Error(`no ${what} or ${how}`);
start();
setTimeout(() => {
  process.stdout.write('going\n');
  end();
}, 30);
