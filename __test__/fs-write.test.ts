/** Writing: whole files, and piece by piece through a handle. */

import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pattern, same } from './support/same-as-node.js';
import type { Row } from './support/same-as-node.js';

/** A row about a handle of `hello.txt` that may read and write. */
const hello = (name: string, work: (handle: FileHandle) => Promise<unknown>, flags = 'r+'): Row => [
  name,
  async (fs) => {
    const handle = await fs.open('hello.txt', flags);
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  },
];

async function* pieces(): AsyncGenerator<string | Uint8Array> {
  yield 'one ';
  yield Buffer.from('two ');
  await Promise.resolve();
  yield new Uint16Array([0x6968, 0x0a21]) as unknown as Uint8Array;
}

/** Gives something and breaks, but not before somebody reads it. */
function breaking(): Readable {
  let reads = 0;
  return new Readable({
    read() {
      reads += 1;
      if (reads === 1) this.push('some');
      else this.destroy(new RangeError('broken'));
    },
  });
}

same('writeFile', [
  ['of text makes the file', (fs) => fs.writeFile('fresh', 'grüße')],
  ['replaces what was there', (fs) => fs.writeFile('hello.txt', 'x')],
  ['of nothing empties the file', (fs) => fs.writeFile('hello.txt', '')],
  ['of no bytes empties the file', (fs) => fs.writeFile('hello.txt', Buffer.alloc(0))],
  ['of bytes', (fs) => fs.writeFile('fresh', pattern(5000))],
  ['of two megabytes', (fs) => fs.writeFile('fresh', pattern(2_000_000))],
  ['of a DataView', (fs) => fs.writeFile('fresh', new DataView(new ArrayBuffer(6), 1, 4))],
  ['of a Float64Array', (fs) => fs.writeFile('fresh', new Float64Array([1, 2]))],
  ['of part of a larger ArrayBuffer', (fs) => fs.writeFile('fresh', pattern(100).subarray(5, 9))],
  ...(['latin1', 'hex', 'base64', 'ucs2', 'ascii'] as const).map((encoding): Row => [
    `of text as ${encoding}`,
    (fs) => fs.writeFile('fresh', 'c0ffee', encoding),
  ]),
  ['of half a byte as hex', (fs) => fs.writeFile('fresh', 'abc', 'hex')],
  ['of an array of texts', (fs) => fs.writeFile('fresh', ['a', 'b', 'c'])],
  ['of an empty array', (fs) => fs.writeFile('hello.txt', [])],
  ['of texts in an encoding', (fs) => fs.writeFile('fresh', ['6162', '63'], 'hex')],
  ['of an asynchronous generator', (fs) => fs.writeFile('fresh', pieces())],
  ['of a stream', (fs) => fs.writeFile('fresh', Readable.from(['a', 'b']))],
  ['of a stream of a file', (fs) => fs.writeFile('fresh', createReadStream('big'))],
  ['of a stream that breaks', (fs) => fs.writeFile('fresh', breaking())],
  [
    'of a generator that throws',
    (fs) =>
      fs.writeFile(
        'fresh',
        (function* () {
          yield 'before';
          throw new RangeError('enough');
        })(),
      ),
  ],
  ['with flag a', (fs) => fs.writeFile('hello.txt', 'more', { flag: 'a' })],
  ['with flag wx where the file is', (fs) => fs.writeFile('hello.txt', 'x', { flag: 'wx' })],
  [
    'with flag r+ writes over the beginning',
    (fs) => fs.writeFile('hello.txt', 'J', { flag: 'r+' }),
  ],
  [
    'with flag r cannot write',
    (fs) => fs.writeFile('hello.txt', 'J', { flag: 'r' }),
    { since: 26, fields: ['code', 'syscall'] },
  ],
  ['with a mode', (fs) => fs.writeFile('fresh', 'x', { mode: 0o640 })],
  ['with a mode in octal digits', (fs) => fs.writeFile('fresh', 'x', { mode: '604' })],
  ['with a mode leaves that of a file', (fs) => fs.writeFile('hello.txt', 'x', { mode: 0o600 })],
  ['with flush', (fs) => fs.writeFile('fresh', 'x', { flush: true })],
  ['into a folder that is not there', (fs) => fs.writeFile('missing/fresh', 'x')],
  ['of a folder', (fs) => fs.writeFile('folder', 'x')],
  ['through a link', (fs) => fs.writeFile('link', 'x')],
  ['through a link to nothing makes it', (fs) => fs.writeFile('dead', 'x')],
  hello('of a handle writes at its position and does not cut', async (h) => {
    await h.read(Buffer.alloc(6));
    await h.writeFile('W');
    await h.writeFile(Buffer.from('O'));
  }),
  hello('of a handle, from a generator', (h) => h.writeFile(pieces() as never)),
  hello('of a handle that only reads', (h) => h.writeFile('x'), 'r'),
  [
    'of a handle, as an argument',
    async (fs) => {
      const handle = await fs.open('fresh', 'w');
      await fs.writeFile(handle, 'one');
      await fs.appendFile(handle, 'two');
      await handle.close();
    },
  ],
]);

same('appendFile', [
  ['adds at the end', (fs) => fs.appendFile('hello.txt', 'more')],
  ['makes the file', (fs) => fs.appendFile('fresh', 'x', { mode: 0o600 })],
  ['of bytes', (fs) => fs.appendFile('hello.txt', pattern(3))],
  ['in an encoding', (fs) => fs.appendFile('hello.txt', 'c0ff', 'hex')],
  ['with another flag', (fs) => fs.appendFile('hello.txt', 'x', { flag: 'w' })],
  ['of a folder', (fs) => fs.appendFile('folder', 'x')],
  hello('of an r+ handle does not append', (h) => h.appendFile('X')),
  hello('of an a+ handle does', (h) => h.appendFile('X'), 'a+'),
]);

same('write', [
  hello('of bytes', (h) => h.write(Buffer.from('HE'))),
  hello('twice goes on', async (h) => [await h.write(Buffer.from('HE')), await h.write('LL')]),
  hello('with offset and length', (h) => h.write(pattern(9), 2, 4)),
  hello('at a position', async (h) => [
    await h.write(Buffer.from('W'), 0, 1, 6),
    await h.write('H'),
  ]),
  hello('with options', (h) => h.write(Buffer.from('abcW'), { offset: 3, length: 1, position: 6 })),
  hello('with an empty object', (h) => h.write(Buffer.from('x'), {})),
  hello('behind the end leaves a gap', (h) => h.write(Buffer.from('x'), 0, 1, 20)),
  hello('of a DataView', (h) => h.write(new DataView(new ArrayBuffer(4), 1, 2))),
  hello('of a Uint16Array counts bytes', (h) => h.write(new Uint16Array([0x6968]))),
  hello('of an empty buffer gives 0', (h) => h.write(Buffer.alloc(0), 5, 7)),
  hello('of no bytes', (h) => h.write(Buffer.from('abc'), 0, 0)),
  hello('with an offset behind the buffer', (h) => h.write(Buffer.from('abc'), 4)),
  hello('with a negative offset', (h) => h.write(Buffer.from('abc'), -1)),
  hello('with too great a length', (h) => h.write(Buffer.from('abc'), 1, 3)),
  hello('with a negative length', (h) => h.write(Buffer.from('abc'), 0, -1)),
  hello('with half a length', (h) => h.write(Buffer.from('abc'), 0, 1.5)),
  hello('with a text as length', (h) => h.write(Buffer.from('abc'), 0, '2' as never)),
  ...[-1, 1.5, NaN, '3', 3n, null, Infinity].map((position): Row =>
    hello(`of bytes at ${typeof position} ${String(position)}`, (h) =>
      h.write(Buffer.from('XY'), 0, 2, position as number),
    ),
  ),
  hello('of text', (h) => h.write('grüße')),
  hello('of text at a position', async (h) => [await h.write('W', 6), await h.write('H')]),
  hello('of text in an encoding', (h) => h.write('4842', 0, 'hex')),
  hello('of half a byte as hex', (h) => h.write('abc', 0, 'hex')),
  hello('of text in no encoding', (h) => h.write('abc', 0, 'zz' as never)),
  hello('of text at a text', (h) => h.write('abc', '3' as never)),
  hello('of text at null', (h) => h.write('abc', null)),
  hello('of no text', (h) => h.write('')),
  ...[3, {}, null, undefined, [1], true, new ArrayBuffer(2)].map((data, index): Row =>
    hello(`of what is neither, number ${index}`, (h) => h.write(data as never)),
  ),
  hello('with a handle that only reads', (h) => h.write('x'), 'r'),
  hello('with a handle that appends ignores the position', (h) => h.write('x', 0), 'a'),
  hello('of a megabyte', (h) => h.write(pattern(1_000_000))),
]);

same('writev', [
  hello('writes one after the other', (h) =>
    h.writev([Buffer.from('AB'), new Uint16Array([0x6968])]),
  ),
  hello('at a position', async (h) => [await h.writev([Buffer.from('W')], 6), await h.write('H')]),
  hello('of nothing gives 0', (h) => h.writev([])),
  hello('of empty buffers gives 0', (h) => h.writev([Buffer.alloc(0)])),
  hello('of no array', (h) => h.writev('x' as never)),
  hello('of an array with something else', (h) => h.writev([Buffer.alloc(2), 3] as never)),
  hello('at a text means the current position', (h) => h.writev([Buffer.from('W')], '6' as never)),
  hello('with a handle that only reads', (h) => h.writev([Buffer.from('W')]), 'r'),
  hello('of 1500 buffers', (h) => h.writev(Array.from({ length: 1500 }, () => Buffer.from('ab')))),
]);

same('handle.truncate', [
  hello('cuts', (h) => h.truncate(5)),
  hello('without a length empties', (h) => h.truncate()),
  hello('fills with zeros', (h) => h.truncate(20)),
  hello('to less than nothing empties', (h) => h.truncate(-1)),
  hello('to half a byte', (h) => h.truncate(1.5)),
  hello('to a text', (h) => h.truncate('3' as never)),
  hello('to null', (h) => h.truncate(null as never)),
  hello('of a handle that only reads', (h) => h.truncate(1), 'r'),
]);

same('what is written is', [
  hello('there after sync', async (h) => [await h.write('S'), await h.sync()]),
  hello('there after datasync', async (h) => [await h.write('S'), await h.datasync()]),
]);
