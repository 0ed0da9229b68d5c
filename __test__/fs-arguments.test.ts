/** Arguments that are wrong are refused in Node's words, and what Node lets pass passes. */

import { same } from './support/same-as-node.js';
import type { Api, Row } from './support/same-as-node.js';

/** JavaScript callers pass anything. */
type Loose = Record<string, (...args: unknown[]) => Promise<unknown>>;
const loose = (fs: Api): Loose => fs as unknown as Loose;

const badPaths: readonly [string, unknown][] = [
  ['a number', 3],
  ['nothing', undefined],
  ['null', null],
  ['an object', { path: 'x' }],
  ['an array', ['x']],
  ['a function', function somePath() {}],
  ['a symbol', Symbol('x')],
  ['true', true],
  ['a bigint', 3n],
  ['a string with a NUL', 'a\0b'],
  ['bytes with a NUL', Buffer.from('a\0b')],
  ['a URL that is not of a file', new URL('https://example.org/x')],
  ['a file URL with a host', new URL('file://host/x')],
  ['a file URL with a NUL', new URL('file:///a%00b')],
  ['a file URL with an encoded slash', new URL('file:///a%2fb')],
];

same(
  'a path that is',
  badPaths.map(([name, path]): Row => [name, (fs) => loose(fs)['stat']?.(path)]),
);

const takePath = [
  ...[
    'open',
    'readFile',
    'lstat',
    'access',
    'readdir',
    'mkdir',
    'mkdtemp',
    'rm',
    'rmdir',
    'unlink',
  ],
  ...['readlink', 'realpath', 'truncate'],
];
same(
  'the path of',
  takePath.map((name): Row => [`${name} is checked`, (fs) => loose(fs)[name]?.(7)]),
);

same('both paths are checked and named in', [
  ['rename, the first', (fs) => loose(fs)['rename']?.(7, 'b')],
  ['rename, the second', (fs) => loose(fs)['rename']?.('a', 7)],
  ['link, the first', (fs) => loose(fs)['link']?.({}, 'b')],
  ['link, the second', (fs) => loose(fs)['link']?.('a', null)],
  ['symlink, the target', (fs) => loose(fs)['symlink']?.(7, 'b')],
  ['symlink, the path', (fs) => loose(fs)['symlink']?.('a', 7)],
  ['copyFile, the first', (fs) => loose(fs)['copyFile']?.(7, 'b')],
  ['copyFile, the second', (fs) => loose(fs)['copyFile']?.('a', 7)],
  ['writeFile', (fs) => loose(fs)['writeFile']?.(7, '')],
  ['appendFile', (fs) => loose(fs)['appendFile']?.(7, '')],
]);

const encodings: readonly unknown[] = ['zz', 3, {}, { encoding: 'zz' }, { encoding: 3 }];
same(
  'options of readFile that are',
  [
    ...encodings,
    true,
    3n,
    [],
    { flag: 'zz' },
    { flag: 1.5 },
    { signal: 3 },
    { signal: null },
    null,
  ].map((options, index): Row => [
    `odd, number ${index}`,
    (fs) => loose(fs)['readFile']?.('hello.txt', options),
  ]),
);
for (const name of ['readdir', 'readlink', 'realpath', 'mkdtemp']) {
  const target = name === 'readdir' ? 'folder' : name === 'mkdtemp' ? 'missing/x' : 'link';
  same(
    `options of ${name} that are`,
    ['zz', 3, { encoding: 'zz' }, true, { signal: 3 }].map((options, index): Row => [
      `odd, number ${index}`,
      (fs) => loose(fs)[name]?.(target, options),
    ]),
  );
}

const flags = [
  ...['r', 'rs', 'sr', 'r+', 'rs+', 'sr+', 'w', 'wx', 'xw', 'w+', 'wx+', 'xw+', 'a', 'ax', 'xa'],
  ...['as', 'sa', 'a+', 'ax+', 'xa+', 'as+', 'sa+', 'zz', '', 'R', 0, 2, -0, null, undefined],
  ...[1.5, -1, 2 ** 40, NaN, {}, true, 3n],
];
same(
  'flags of open',
  flags.flatMap((flag): Row[] =>
    ['hello.txt', 'fresh'].map((path): Row => [
      `${typeof flag} ${Object.is(flag, -0) ? '-0' : String(flag)} on ${path}`,
      async (fs) => {
        const handle = (await loose(fs)['open']?.(path, flag)) as { close(): Promise<void> };
        await handle.close();
        return 'opened';
      },
      Object.is(flag, -0) ? { since: 26 } : {},
    ]),
  ),
);

const modes = ['0o755', '755', '', '8', 'abc', 0o640, -1, 1.5, 2 ** 32, NaN, {}, null, true, 3n];
same(
  'mode of open',
  modes.map((mode): Row => [
    `${typeof mode} ${String(mode)}`,
    async (fs) => {
      const handle = (await loose(fs)['open']?.('fresh', 'w', mode)) as { close(): Promise<void> };
      await handle.close();
      return 'opened';
    },
  ]),
);
same(
  'mode of mkdir',
  ['755', '0o755', 0o700, -1, {}, { mode: 0o700 }, { mode: '0711' }, { mode: -1 }, null].map(
    (mode, index): Row => [`number ${index}`, (fs) => loose(fs)['mkdir']?.('fresh', mode)],
  ),
);
same(
  'mode of access',
  [0, 4, 7, 8, -1, 'x', 1.5, null, undefined, 2 ** 40, NaN].map((mode): Row => [
    `${typeof mode} ${String(mode)}`,
    (fs) => loose(fs)['access']?.('hello.txt', mode),
  ]),
);
same(
  'mode of copyFile',
  [0, 1, 2, 8, -1, '1', 1.5, null].map((mode): Row => [
    `${typeof mode} ${String(mode)}`,
    (fs) => loose(fs)['copyFile']?.('hello.txt', 'copy', mode),
  ]),
);

same(
  'options of stat that are',
  [null, 3, 'x', [], () => {}, { signal: 3 }, { bigint: 1 }].map((options, index): Row => [
    `odd, number ${index}`,
    async (fs) => typeof (await fs.stat('vacant', options as never)).size,
    { since: 26 },
  ]),
);

const removals: readonly unknown[] = [
  null,
  3,
  'x',
  [],
  { force: 1 },
  { recursive: 'yes' },
  { retryDelay: -1 },
  { retryDelay: 1.5 },
  { maxRetries: -1 },
  { maxRetries: '3' },
  { maxRetries: 2 ** 32 },
];
same(
  'options of rm that are',
  removals.map((options, index): Row => [
    `odd, number ${index}`,
    (fs) => loose(fs)['rm']?.('hello.txt', options),
  ]),
);
same(
  'options of rmdir that are',
  [{ recursive: true }, { recursive: false }, { recursive: undefined }, 3, null, []].map(
    (options, index): Row => [
      `odd, number ${index}`,
      (fs) => loose(fs)['rmdir']?.('vacant', options),
      { since: 26 },
    ],
  ),
);
same(
  'type of symlink',
  ['dir', 'file', 'junction', 'zz', null, 3].map((type): Row => [
    String(type),
    (fs) => loose(fs)['symlink']?.('hello.txt', 'fresh', type),
    { since: 24 },
  ]),
);
same(
  'data of writeFile that is',
  [3, null, undefined, {}, true, [3], new ArrayBuffer(2), Symbol('x')].map((data, index): Row => [
    `odd, number ${index}`,
    (fs) => loose(fs)['writeFile']?.('fresh', data),
  ]),
);
same(
  'options of writeFile that are',
  [{ flush: 3 }, { flush: null }, { mode: '0o6' }, { flag: 'zz' }, { signal: 3 }, 'zz', 3].map(
    (options, index): Row => [
      `odd, number ${index}`,
      (fs) => loose(fs)['writeFile']?.('fresh', 'text', options),
    ],
  ),
);
same(
  'length of truncate',
  [0, 5, 40, -1, -5, 1.5, NaN, '3', 3n, null, undefined, 2 ** 53, 2 ** 53 - 1].map(
    (length): Row => [
      `${typeof length} ${String(length)}`,
      (fs) => loose(fs)['truncate']?.('hello.txt', length),
    ],
  ),
);
