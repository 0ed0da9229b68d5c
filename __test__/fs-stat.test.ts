/** Metadata: every field of every kind of file, as Node has it. */

import { execFileSync } from 'node:child_process';
import nodeFs from 'node:fs';
import nodePromises from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import test from 'ava';
import { lstat, open, stat } from 'wakering/fs';
import { plain, same } from './support/same-as-node.js';

const folder = nodeFs.mkdtempSync(path.join(os.tmpdir(), 'wakering-stat-'));
const at = (name: string): string => path.join(folder, name);
nodeFs.writeFileSync(at('file'), 'content', { mode: 0o4640 });
nodeFs.mkdirSync(at('folder'));
nodeFs.symlinkSync('file', at('link'));
nodeFs.linkSync(at('file'), at('second'));
nodeFs.writeFileSync(at('old'), '');
nodeFs.utimesSync(at('old'), -1234.5, -0.25);
nodeFs.writeFileSync(at('precise'), '');
nodeFs.utimesSync(at('precise'), 1_700_000_000.123_456, 1_600_000_000.987_654);
nodeFs.writeFileSync(at('sparse'), '');
nodeFs.truncateSync(at('sparse'), 5_000_000_000);
execFileSync('mkfifo', [at('pipe')]);
const server = createServer().listen(at('socket'));
await new Promise((resolve) => server.once('listening', resolve));
test.after.always(() => {
  server.close();
  nodeFs.rmSync(folder, { recursive: true, force: true });
});

const files = [
  ...['file', 'folder', 'link', 'second', 'old', 'precise', 'sparse', 'pipe', 'socket'].map(at),
  ...[
    '/dev/null',
    '/dev/full',
    '/',
    '/proc/sys',
    '/proc/self/status',
    '/sys/kernel',
    process.execPath,
  ],
];

for (const file of files) {
  // The first look through a link changes the time of its last use.
  nodeFs.statSync(file);
  const shown = file.replace(`${folder}/`, '');
  test(`stat and lstat of ${shown} have Node's fields`, async (t) => {
    t.deepEqual(plain(await stat(file)), plain(await nodePromises.stat(file)));
    t.deepEqual(plain(await lstat(file)), plain(await nodePromises.lstat(file)));
    t.deepEqual(
      plain(await stat(file, { bigint: true })),
      plain(await nodePromises.stat(file, { bigint: true })),
    );
    t.deepEqual(
      plain(await lstat(file, { bigint: true })),
      plain(await nodePromises.lstat(file, { bigint: true })),
    );
  });

  test(`the times of ${shown} are Node's`, async (t) => {
    const [mine, theirs] = [await lstat(file), await nodePromises.lstat(file)];
    const [myBig, theirBig] = [
      await lstat(file, { bigint: true }),
      await nodePromises.lstat(file, { bigint: true }),
    ];
    for (const name of ['atime', 'mtime', 'ctime', 'birthtime'] as const) {
      t.deepEqual(mine[name], theirs[name], name);
      t.deepEqual(myBig[name], theirBig[name], name);
      if (!('Temporal' in globalThis)) continue;
      t.is(String(mine[`${name}Instant`]), String(theirs[`${name}Instant`]), name);
      t.is(String(myBig[`${name}Instant`]), String(theirBig[`${name}Instant`]), name);
    }
  });
}

test("stats print, serialise and clone as Node's do", async (t) => {
  const [mine, theirs] = [await stat(at('file')), await nodePromises.stat(at('file'))];
  // Node 26 keeps parts of the times under symbols, which only a console shows.
  const printed = inspect(theirs)
    .replace(/,\n {2}(?:\[?Symbol\(k?[Pp]artial\w+\)\]?: \d+,?\s*)+/, '\n')
    .replaceAll(/\s+/g, ' ');
  t.is(inspect(mine).replaceAll(/\s+/g, ' '), printed);
  t.is(JSON.stringify(mine), JSON.stringify(theirs));
  t.deepEqual(structuredClone(mine), structuredClone(theirs));
  t.deepEqual(Object.keys(mine), Object.keys(theirs));
  t.deepEqual(Object.keys({ ...mine }), Object.keys({ ...theirs }));
  t.true(mine instanceof nodeFs.Stats);
  const [myBig, theirBig] = [
    await stat(at('file'), { bigint: true }),
    await nodePromises.stat(at('file'), { bigint: true }),
  ];
  t.is(inspect(myBig), inspect(theirBig));
  t.deepEqual(structuredClone(myBig), structuredClone(theirBig));
});

test('dates are made when they are looked at, and may be set', async (t) => {
  const stats = await stat(at('file'));
  t.false(Object.hasOwn(stats, 'mtime'));
  t.is(stats.mtime, stats.mtime);
  t.true(Object.hasOwn(stats, 'mtime'));
  const other = new Date(0);
  stats.atime = other;
  t.is(stats.atime, other);
  const big = await stat(at('file'), { bigint: true });
  t.is(big.ctime, big.ctime);
  big.ctime = other;
  t.is(big.ctime, other);
});

test('a handle tells the same as its path', async (t) => {
  await using handle = await open(at('file'));
  t.deepEqual(plain(await handle.stat()), plain(await nodePromises.stat(at('file'))));
  t.deepEqual(
    plain(await handle.stat({ bigint: true })),
    plain(await nodePromises.stat(at('file'), { bigint: true })),
  );
});

same('stat', [
  ['of nothing', (fs) => fs.stat('missing')],
  ['of a link to nothing', (fs) => fs.stat('dead')],
  ['of a link in circles', (fs) => fs.stat('loop')],
  ['below a file', (fs) => fs.stat('hello.txt/x')],
  ['of the empty path', (fs) => fs.stat('')],
  [
    'of nothing, where that is no error',
    (fs) => fs.stat('missing', { throwIfNoEntry: false } as never),
    { since: 26 },
  ],
  [
    'below a file, where that is no error',
    (fs) => fs.stat('hello.txt/x', { throwIfNoEntry: false } as never),
    { since: 26 },
  ],
  [
    'in circles, where absence is no error',
    (fs) => fs.stat('loop', { throwIfNoEntry: false } as never),
  ],
  ['of a name that is no text, missing', (fs) => fs.stat(Buffer.from([0x61, 0xff]))],
  ['of a URL, missing', (fs) => fs.stat(new URL('file:///missing%20file'))],
  [
    'of a handle, with null',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      return handle.stat(null as never).finally(() => handle.close());
    },
    { since: 26 },
  ],
]);

same('lstat', [
  ['of nothing', (fs) => fs.lstat('missing')],
  ['of a link to nothing is of the link', async (fs) => (await fs.lstat('dead')).isSymbolicLink()],
  ['below a file', (fs) => fs.lstat('hello.txt/x')],
]);
