/** Reading: whole files, and piece by piece through a handle. */

import type { EventEmitter } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { pattern, same, strangeName } from './support/same-as-node.js';
import type { Api, Row, RowOptions } from './support/same-as-node.js';

/** Opens, does, closes. */
async function withFile<T>(
  fs: Api,
  path: string,
  flags: string | number,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await fs.open(path, flags);
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}

/** A row about a handle of `hello.txt`. */
const hello = (
  name: string,
  work: (handle: FileHandle) => Promise<unknown>,
  options: RowOptions = {},
): Row => [name, (fs) => withFile(fs, 'hello.txt', 'r+', work), options];

same('readFile', [
  ['of a small file gives its bytes', (fs) => fs.readFile('hello.txt')],
  ['of an empty file gives no bytes', (fs) => fs.readFile('empty')],
  ['of an empty file as text gives no text', (fs) => fs.readFile('empty', 'utf8')],
  ['of a large file gives all of it', (fs) => fs.readFile('big')],
  ['with options null', (fs) => fs.readFile('hello.txt', null)],
  ['with a function instead of options', (fs) => fs.readFile('hello.txt', (() => {}) as never)],
  ...(['utf8', 'latin1', 'hex', 'base64', 'base64url', 'ucs2', 'ascii', 'UTF-8'] as const).map(
    (encoding): Row => [
      `as ${encoding}`,
      async (fs) => [
        await fs.readFile('grüße.txt', encoding as BufferEncoding),
        await fs.readFile('big', { encoding: encoding as BufferEncoding }),
      ],
    ],
  ),
  ['as buffer, which is no text', (fs) => fs.readFile('hello.txt', 'buffer' as never)],
  ['through a link', (fs) => fs.readFile('link', 'utf8')],
  ['of a name that is no text', (fs) => fs.readFile(strangeName, 'utf8')],
  ['of a Uint8Array path', (fs) => fs.readFile(new TextEncoder().encode('hello.txt') as Buffer)],
  ['with flag r+', (fs) => fs.readFile('hello.txt', { flag: 'r+', encoding: 'utf8' })],
  ['with flag a+ makes the file', (fs) => fs.readFile('fresh', { flag: 'a+', encoding: 'utf8' })],
  ['with flag w+ empties the file', (fs) => fs.readFile('hello.txt', { flag: 'w+' })],
  ['with flag w cannot read', (fs) => fs.readFile('hello.txt', { flag: 'w' }), { since: 26 }],
  ['of nothing is ENOENT at open', (fs) => fs.readFile('missing')],
  ['below a file is ENOTDIR', (fs) => fs.readFile('hello.txt/x')],
  ['around in circles is ELOOP', (fs) => fs.readFile('loop')],
  ['of a folder is EISDIR at read, with the path', (fs) => fs.readFile('folder'), { since: 26 }],
  ['of the empty path is ENOENT', (fs) => fs.readFile('')],
  ['of a name that is too long', (fs) => fs.readFile('x'.repeat(300))],
  ['of a path that is too long', (fs) => fs.readFile('x/'.repeat(3000))],
  [
    'of a file of /proc, which has no size',
    async (fs) => (await fs.readFile('/proc/version')).length,
  ],
  [
    'of a file of /proc that comes in pieces',
    async (fs) => (await fs.readFile('/proc/kallsyms', 'latin1')).endsWith('\n'),
  ],
  [
    'of a file of /sys, which is shorter than its size',
    (fs) => fs.readFile('/sys/kernel/uevent_seqnum'),
  ],
  ['of a device that is always empty', (fs) => fs.readFile('/dev/null')],
  [
    'twenty at once',
    (fs) => Promise.all(Array.from({ length: 20 }, (_, i) => fs.readFile(i % 2 ? 'big' : 'link'))),
  ],
  ['of a handle', (fs) => withFile(fs, 'hello.txt', 'r', (h) => fs.readFile(h, 'utf8'))],
  [
    'of a handle goes on from its position',
    (fs) =>
      withFile(fs, 'hello.txt', 'r', async (h) => {
        await h.read(Buffer.alloc(6), 0, 6, null);
        return [await h.readFile('utf8'), await h.readFile('utf8')];
      }),
  ],
  [
    'of a handle in the middle of a large file',
    (fs) =>
      withFile(fs, 'big', 'r', async (h) => {
        await h.read(Buffer.alloc(100_000), 0, 100_000, null);
        return h.readFile();
      }),
  ],
  ['of a handle of a folder', (fs) => withFile(fs, 'folder', 'r', (h) => h.readFile())],
  [
    'of a handle that is closed',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      await handle.close();
      return handle.readFile();
    },
    { since: 26 },
  ],
  ['of a handle that only writes', (fs) => withFile(fs, 'hello.txt', 'a', (h) => h.readFile())],
]);

same('read', [
  hello('without arguments allocates 16384 bytes', (h) => h.read()),
  hello('of null allocates as well', (h) => h.read(null as never)),
  hello('of an empty object allocates as well', (h) => h.read({})),
  hello('into a buffer fills what it can', (h) => h.read(Buffer.alloc(20))),
  hello('twice goes on where the first ended', async (h) => [
    await h.read(Buffer.alloc(5)),
    await h.read(Buffer.alloc(5)),
    await h.read(Buffer.alloc(5)),
    await h.read(Buffer.alloc(5)),
  ]),
  hello('with offset and length', (h) => h.read(Buffer.alloc(8), 2, 4)),
  hello('with a position leaves the current one', async (h) => [
    await h.read(Buffer.alloc(4), 0, 4, 6),
    await h.read(Buffer.alloc(4), 0, 4, null),
  ]),
  hello('with options', (h) => h.read(Buffer.alloc(8), { offset: 1, length: 3, position: 6 })),
  hello('with the buffer in the options', (h) =>
    h.read({ buffer: Buffer.alloc(8), offset: 1, length: 3, position: 6 }),
  ),
  hello('with an empty object behind the buffer', (h) => h.read(Buffer.alloc(3), {})),
  hello('with null behind the buffer', (h) => h.read(Buffer.alloc(3), null as never)),
  hello('of the third form, all null', (h) =>
    h.read(Buffer.alloc(3), null as never, null as never, null),
  ),
  hello('at the end gives 0', (h) => h.read(Buffer.alloc(3), 0, 3, 12)),
  hello('far behind the end gives 0', (h) => h.read(Buffer.alloc(3), 0, 3, 2 ** 40)),
  hello('into a DataView', (h) => h.read(new DataView(new ArrayBuffer(8), 2, 4))),
  hello('into a Uint16Array counts bytes', (h) => h.read(new Uint16Array(3) as never)),
  hello('into a part of a larger ArrayBuffer', async (h) => {
    const whole = new Uint8Array(10);
    await h.read(whole.subarray(3, 6));
    return whole;
  }),
  hello('of no bytes gives 0', (h) => h.read(Buffer.alloc(3), 0, 0)),
  hello('of no bytes into an empty buffer gives 0', (h) => h.read(Buffer.alloc(0))),
  hello('of one byte into an empty buffer is refused', (h) => h.read(Buffer.alloc(0), 0, 1)),
  hello('with an offset behind the buffer', (h) => h.read(Buffer.alloc(3), 4)),
  hello('with a negative offset', (h) => h.read(Buffer.alloc(3), -1)),
  hello('with half an offset', (h) => h.read(Buffer.alloc(3), 0.5)),
  hello('with a text as offset', (h) => h.read(Buffer.alloc(3), '1' as never)),
  hello('with too great a length', (h) => h.read(Buffer.alloc(3), 1, 3)),
  hello('with a negative length', (h) => h.read(Buffer.alloc(3), 0, -1)),
  hello('with half a length', (h) => h.read(Buffer.alloc(3), 0, 2.9), { since: 26 }),
  hello('with a text as length', (h) => h.read(Buffer.alloc(3), 0, '2' as never), { since: 26 }),
  ...[
    -1,
    -2,
    0,
    3,
    1.5,
    NaN,
    Infinity,
    '3',
    true,
    {},
    -1n,
    -2n,
    3n,
    2n ** 63n - 4n,
    2n ** 63n - 3n,
  ].map((position): Row =>
    hello(`at ${typeof position} ${String(position)}`, (h) =>
      h.read(Buffer.alloc(3), 0, 3, position as number),
    ),
  ),
  ...[3, 'text', true, [1], { buffer: 3 }, () => {}].map((argument, index): Row =>
    hello(`of what is no buffer, number ${index}`, (h) => h.read(argument as never)),
  ),
  hello('with an odd signal', (h) =>
    h.read({ buffer: Buffer.alloc(3), signal: undefined } as never),
  ),
  ['of a folder', (fs) => withFile(fs, 'folder', 'r', (h) => h.read())],
  ['of a handle that only writes', (fs) => withFile(fs, 'hello.txt', 'a', (h) => h.read())],
  [
    'of a large file, all at once',
    (fs) => withFile(fs, 'big', 'r', (h) => h.read(Buffer.alloc(400_000))),
  ],
  [
    'ten at once, each at its position',
    (fs) =>
      withFile(fs, 'big', 'r', (h) =>
        Promise.all(
          Array.from({ length: 10 }, (_, index) => h.read(Buffer.alloc(100), 0, 100, index * 999)),
        ),
      ),
  ],
]);

same('readv', [
  hello('fills one after the other', (h) =>
    h.readv([Buffer.alloc(5), Buffer.alloc(3), Buffer.alloc(9)]),
  ),
  hello('at a position', (h) => h.readv([Buffer.alloc(2), new Uint16Array(2)], 6)),
  hello('leaves the position where it reads at one', async (h) => [
    await h.readv([Buffer.alloc(2)], 6),
    await h.readv([Buffer.alloc(2)]),
    await h.readv([Buffer.alloc(2)], null as never),
  ]),
  hello('of nothing is EINVAL', (h) => h.readv([])),
  hello('of empty buffers gives 0', (h) => h.readv([Buffer.alloc(0), Buffer.alloc(0)])),
  hello('with an empty buffer between', (h) =>
    h.readv([Buffer.alloc(2), Buffer.alloc(0), Buffer.alloc(2)]),
  ),
  hello('of no array', (h) => h.readv(undefined as never)),
  hello('of a buffer instead of an array', (h) => h.readv(Buffer.alloc(2) as never)),
  hello('of an array with something else', (h) => h.readv([Buffer.alloc(2), 'x'] as never)),
  hello('at a text means the current position', (h) => h.readv([Buffer.alloc(2)], '6' as never)),
  ['of a folder', (fs) => withFile(fs, 'folder', 'r', (h) => h.readv([Buffer.alloc(2)]))],
]);

same('a handle', [
  [
    'has a descriptor, and -1 when it is closed',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      const isOpen = handle.fd > 2;
      await handle.close();
      return [isOpen, handle.fd];
    },
  ],
  [
    'may be closed again and again',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      return [await Promise.all([handle.close(), handle.close()]), await handle.close()];
    },
  ],
  [
    'tells of its closing once',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      let told = 0;
      (handle as unknown as EventEmitter).on('close', () => (told += 1));
      await Promise.all([handle.close(), handle.close()]);
      await handle.close();
      return told;
    },
  ],
  [
    'can hand on close alone',
    async (fs) => {
      const { close } = await fs.open('hello.txt');
      return close();
    },
  ],
  [
    'closes at the end of its scope',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      await handle[Symbol.asyncDispose]();
      return handle.fd;
    },
  ],
  [
    'closed under a read lets it end',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      const reading = handle.read(Buffer.alloc(5), 0, 5, 0);
      await handle.close();
      return reading;
    },
  ],
  [
    'closed under readFile lets it end',
    async (fs) => {
      const handle = await fs.open('big');
      const reading = handle.readFile();
      await handle.close();
      return reading;
    },
  ],
  [
    'closed under writeFile lets it end',
    async (fs) => {
      const handle = await fs.open('fresh', 'w');
      const writing = handle.writeFile(pattern(200_000));
      await handle.close();
      return writing;
    },
  ],
  ...(['read', 'write', 'readv', 'writev', 'readFile', 'writeFile', 'appendFile', 'stat'] as const)
    .concat(['truncate', 'sync', 'datasync'] as never)
    .map((name): Row => [
      `that is closed says so at ${name}`,
      async (fs) => {
        const handle = await fs.open('hello.txt');
        await handle.close();
        return (handle[name] as (...args: unknown[]) => unknown)(Buffer.alloc(1), 0, 1, 0);
      },
      { since: 26 },
    ]),
]);
