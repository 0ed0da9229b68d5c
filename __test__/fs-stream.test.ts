/** Streams of files behave as Node's: events, chunks, properties, errors, `for await`, lines. */

import nodeFs from 'node:fs';
import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { createReadStream } from 'wakering/fs';
import { errorOf, ours, same } from './support/same-as-node.js';
import type { Api, Row } from './support/same-as-node.js';

type Make = typeof nodeFs.createReadStream;

/** `createReadStream` of the side that a row runs on. */
function streams(fs: Api): Make {
  return fs === ours ? (createReadStream as unknown as Make) : nodeFs.createReadStream;
}

/** What a stream does, from beginning to end, and what it looks like then. */
async function story(stream: nodeFs.ReadStream): Promise<unknown> {
  const told: unknown[] = [looks(stream)];
  const chunks: Buffer[] = [];
  stream.on('open', (fd) => told.push(['open', typeof fd, fd === fdOf(stream)]));
  stream.on('ready', () => told.push(['ready', stream.pending]));
  stream.on('data', (chunk) => {
    told.push(['data', chunk.length, typeof chunk]);
    chunks.push(Buffer.from(chunk));
  });
  stream.on('end', () => told.push('end'));
  stream.on('error', (error) => told.push(['error', errorOf(error)]));
  await new Promise((resolve) => stream.on('close', resolve));
  told.push('close', looks(stream));
  return { told, content: Buffer.concat(chunks) };
}

function fdOf(stream: nodeFs.ReadStream): unknown {
  return (stream as unknown as { fd: unknown }).fd;
}

function looks(stream: nodeFs.ReadStream): unknown {
  const { path, bytesRead, pending, destroyed, readableHighWaterMark } = stream;
  const { flags, mode, start, end, pos, autoClose } = stream as unknown as Record<string, unknown>;
  const fd = typeof fdOf(stream);
  const last = end === Infinity ? 'Infinity' : end;
  const numbers = { bytesRead, readableHighWaterMark, start, last, pos, mode };
  return { path, pending, destroyed, flags, autoClose, fd, ...numbers };
}

/** Rows that differ in the path and the options only. */
function stories(paths: readonly unknown[], options: Record<string, unknown>[]): Row[] {
  return paths.flatMap((path) =>
    options.map((each): Row => [
      `${String(path)} with ${JSON.stringify(each)}`,
      (fs) => story(streams(fs)(path as string, each as never)),
    ]),
  );
}

same('createReadStream', [
  ...stories(
    ['hello.txt', 'big', 'empty', 'grüße.txt', '/proc/self/cmdline'],
    [{}, { highWaterMark: 7000 }, { encoding: 'hex' }],
  ),
  ...stories(
    ['big'],
    [
      { start: 0, end: 0 },
      { start: 65_535, end: 65_536 },
      { start: 100, end: 299_999 },
      { end: 5 },
      { start: 299_999 },
      { start: 300_000 },
      { start: 1_000_000, end: 2_000_000 },
      { start: 1000, highWaterMark: 1 << 20 },
      { emitClose: true, autoClose: true, start: 5, end: 70_000 },
    ],
  ),
  ...stories(
    ['hello.txt', 'nothing', 'folder', 'dead', 'loop', 'hello.txt/more'],
    [{ flags: 'r' }, { flags: 'r+' }, { flags: 'nonsense' }, { flags: 'wx', mode: 0o600 }],
  ),
  ['a new file', (fs) => story(streams(fs)('fresh', { flags: 'w+', mode: 0o640 }))],
  ['a path that is bytes', (fs) => buffer(streams(fs)(Buffer.from('hello.txt')))],
  ['a URL', (fs) => text(streams(fs)(pathToFileURL('hello.txt')))],
  ['an encoding for options', (fs) => text(streams(fs)('grüße.txt', 'utf8'))],
  ['text that is cut between chunks', (fs) => text(streams(fs)('grüße.txt', { highWaterMark: 3 }))],
]);

const wrong: readonly [string, unknown, unknown?][] = [
  ['no path', undefined],
  ['a number for a path', 3],
  ['a NUL byte', 'a\0b'],
  ['a number for options', 'hello.txt', 3],
  ['an unknown encoding', 'hello.txt', 'nonsense'],
  ['an unknown encoding in options', 'hello.txt', { encoding: 'nonsense' }],
  ['a start that is text', 'hello.txt', { start: '3' }],
  ['a start that is negative', 'hello.txt', { start: -1 }],
  ['a start that is a fraction', 'hello.txt', { start: 1.5 }],
  ['an end that is text', 'hello.txt', { end: '3' }],
  ['an end that is negative', 'hello.txt', { end: -1 }],
  ['an end before the start', 'hello.txt', { start: 5, end: 4 }],
  ['a start beyond all numbers', 'hello.txt', { start: 2 ** 53 }],
  ['a signal that is none', 'hello.txt', { signal: {} }],
  ['a descriptor that is an object', 'hello.txt', { fd: {} }],
  ['a mark that is negative', 'hello.txt', { highWaterMark: -1 }],
];

same(
  'createReadStream throws at once for',
  wrong.map(([name, path, options]): Row => [
    name,
    (fs) => {
      streams(fs)(path as string, options as never);
    },
  ]),
);

async function pieces(stream: Readable | AsyncIterable<unknown>, most = Infinity) {
  const found: unknown[] = [];
  for await (const piece of stream) {
    found.push(piece);
    if (found.length >= most) break;
  }
  return found;
}

same('FileHandle', [
  [
    'createReadStream',
    async (fs) => {
      const handle = await fs.open('big');
      const told = await story(handle.createReadStream());
      return [told, handle.fd];
    },
  ],
  [
    'createReadStream from where it stands',
    async (fs) => {
      const handle = await fs.open('big');
      await handle.read(Buffer.alloc(1000), 0, 1000);
      return story(handle.createReadStream({ end: 80_000 }));
    },
  ],
  [
    'createReadStream of a part, and the handle stays open',
    async (fs) => {
      await using handle = await fs.open('big');
      const part = await buffer(handle.createReadStream({ start: 7, end: 90, autoClose: false }));
      return [part, await handle.read(Buffer.alloc(4), 0, 4), handle.fd > 2];
    },
  ],
  [
    'createReadStream of one that is closed',
    async (fs) => {
      const handle = await fs.open('big');
      await handle.close();
      handle.createReadStream();
    },
  ],
  [
    'close() ends its stream',
    async (fs) => {
      const handle = await fs.open('big');
      const stream = handle.createReadStream();
      const closed = new Promise((resolve) => stream.on('close', resolve));
      await handle.close();
      await closed;
      return [stream.destroyed, stream.bytesRead, handle.fd];
    },
  ],
  ['readLines', async (fs) => pieces((await fs.open('hello.txt')).readLines())],
  [
    'readLines of a part in an encoding',
    async (fs) => pieces((await fs.open('big')).readLines({ encoding: 'latin1', end: 5000 })),
  ],
  ['readLines, left early', async (fs) => pieces((await fs.open('big')).readLines(), 2)],
]);

same('readableWebStream', [
  [
    'gives everything',
    async (fs) => {
      await using handle = await fs.open('big');
      const found = (await pieces(handle.readableWebStream())) as Uint8Array[];
      return [Buffer.concat(found), found.length > 1, found[0]?.constructor.name, handle.fd > 2];
    },
    { since: 24 },
  ],
  [
    'fills the memory of its reader',
    async (fs) => {
      await using handle = await fs.open('hello.txt');
      const reader = handle.readableWebStream().getReader({ mode: 'byob' });
      const first = await reader.read(new Uint8Array(8));
      const second = await reader.read(new Uint8Array(8));
      const last = await reader.read(new Uint8Array(8));
      return [first, second, last];
    },
    { since: 24 },
  ],
  [
    'closes the handle if it shall',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      const found = await pieces(handle.readableWebStream({ autoClose: true }));
      return [found.length, handle.fd];
    },
    { since: 26 },
  ],
  [
    'is one for each handle',
    async (fs) => {
      await using handle = await fs.open('hello.txt');
      handle.readableWebStream();
      handle.readableWebStream();
    },
    { since: 24 },
  ],
  [
    'is none of a handle that is closed',
    async (fs) => {
      const handle = await fs.open('hello.txt');
      await handle.close();
      handle.readableWebStream();
    },
    { since: 24 },
  ],
  [
    'wants true or false for autoClose',
    async (fs) => {
      await using handle = await fs.open('hello.txt');
      handle.readableWebStream({ autoClose: 3 as unknown as boolean });
    },
    { since: 26 },
  ],
]);
