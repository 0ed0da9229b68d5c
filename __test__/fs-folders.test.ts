/** Folders: reading, making and removing them. */

import nodeFs from 'node:fs';
import { same, strangeName } from './support/same-as-node.js';
import type { Row } from './support/same-as-node.js';

same('readdir', [
  ['sorts names by their bytes', (fs) => fs.readdir('.')],
  ['of an empty folder', (fs) => fs.readdir('vacant')],
  ['of an empty folder, with types', (fs) => fs.readdir('vacant', { withFileTypes: true })],
  ['with types', (fs) => fs.readdir('.', { withFileTypes: true })],
  ['with types and a slash behind', (fs) => fs.readdir('./folder/', { withFileTypes: true })],
  ['as bytes', (fs) => fs.readdir('.', 'buffer')],
  ['as bytes, with types', (fs) => fs.readdir('.', { encoding: 'buffer', withFileTypes: true })],
  ...(['latin1', 'hex', 'base64', 'ucs2', 'ascii', 'utf8'] as const).map((encoding): Row => [
    `as ${encoding}`,
    (fs) => fs.readdir('.', encoding),
  ]),
  ['of a path of bytes', (fs) => fs.readdir(Buffer.from('folder'))],
  [
    'of a path of bytes, with types',
    (fs) => fs.readdir(Buffer.from('folder'), { withFileTypes: true }),
  ],
  ['through a link', (fs) => fs.readdir('folder/way')],
  ['of nothing is at scandir', (fs) => fs.readdir('missing')],
  ['of a file is ENOTDIR', (fs) => fs.readdir('hello.txt')],
  ['of the empty path', (fs) => fs.readdir('')],
  ['of a link in circles', (fs) => fs.readdir('loop')],
  [
    'of many names',
    async (fs) => {
      for (let index = 0; index < 3000; index += 1)
        nodeFs.writeFileSync(`vacant/${index * 7919}`, '');
      const names = await fs.readdir('vacant');
      for (const name of names) nodeFs.unlinkSync(`vacant/${name}`);
      return names.join();
    },
  ],
  ['recursive', (fs) => fs.readdir('.', { recursive: true }), { since: 26 }],
  [
    'recursive, with types',
    (fs) => fs.readdir('.', { recursive: true, withFileTypes: true }),
    { since: 26 },
  ],
  [
    'recursive below a dot',
    (fs) => fs.readdir('./folder', { recursive: true, withFileTypes: true }),
    { since: 26 },
  ],
  [
    'recursive, as bytes',
    (fs) => fs.readdir('folder', { recursive: true, encoding: 'buffer' }),
    { since: 26 },
  ],
  [
    'recursive, as bytes, with types',
    (fs) => fs.readdir('folder', { recursive: true, encoding: 'buffer', withFileTypes: true }),
    { since: 26 },
  ],
  [
    'recursive, of a path of bytes',
    (fs) => fs.readdir(Buffer.from('folder'), { recursive: true, withFileTypes: true }),
    { since: 26 },
  ],
  ['recursive, of nothing', (fs) => fs.readdir('missing', { recursive: true })],
  ['recursive, of a file', (fs) => fs.readdir('hello.txt', { recursive: true })],
  ['recursive, of an empty folder', (fs) => fs.readdir('vacant', { recursive: true })],
]);

same('mkdir', [
  ['makes a folder', (fs) => fs.mkdir('fresh')],
  ['with a mode', (fs) => fs.mkdir('fresh', 0o700)],
  ['with a mode in the options', (fs) => fs.mkdir('fresh', { mode: 0o711 })],
  ['where a folder is', (fs) => fs.mkdir('folder')],
  ['where a file is', (fs) => fs.mkdir('hello.txt')],
  ['where a link to nothing is', (fs) => fs.mkdir('dead')],
  ['in nothing', (fs) => fs.mkdir('missing/fresh')],
  ['below a file', (fs) => fs.mkdir('hello.txt/fresh')],
  ['of the empty path', (fs) => fs.mkdir('')],
  ['recursive gives the first that was made', (fs) => fs.mkdir('x/y/z', { recursive: true })],
  [
    'recursive gives the part that was missing',
    (fs) => fs.mkdir('folder/sub/y/z', { recursive: true }),
  ],
  [
    'recursive gives nothing where all is there',
    (fs) => fs.mkdir('folder/sub', { recursive: true }),
  ],
  [
    'recursive twice',
    async (fs) => [
      await fs.mkdir('x/y', { recursive: true }),
      await fs.mkdir('x/y', { recursive: true }),
    ],
  ],
  ['recursive with a mode', (fs) => fs.mkdir('x/y', { recursive: true, mode: 0o700 })],
  ['recursive with slashes behind', (fs) => fs.mkdir('x/y//', { recursive: true })],
  ['recursive with dots', (fs) => fs.mkdir('./x/./y/../z', { recursive: true })],
  ['recursive of bytes', (fs) => fs.mkdir(Buffer.from('x/y'), { recursive: true })],
  ['recursive of one name', (fs) => fs.mkdir('x', { recursive: true })],
  [
    'recursive of an absolute path',
    async (fs) => fs.mkdir(`${process.cwd()}/x/y`, { recursive: true }),
  ],
  ['recursive of the root', (fs) => fs.mkdir('/', { recursive: true })],
  ['recursive of a dot', (fs) => fs.mkdir('.', { recursive: true })],
  ['recursive of the empty path', (fs) => fs.mkdir('', { recursive: true })],
  ['recursive where a file is', (fs) => fs.mkdir('hello.txt', { recursive: true })],
  ['recursive below a file', (fs) => fs.mkdir('hello.txt/x', { recursive: true })],
  ['recursive far below a file', (fs) => fs.mkdir('hello.txt/x/y/z', { recursive: true })],
  ['recursive where a link to nothing is', (fs) => fs.mkdir('dead', { recursive: true })],
  ['recursive below a link to nothing', (fs) => fs.mkdir('dead/x', { recursive: true })],
  ['recursive far below a link to nothing', (fs) => fs.mkdir('dead/x/y', { recursive: true })],
  ['recursive below a link in circles', (fs) => fs.mkdir('loop/x', { recursive: true })],
  ['recursive through a link to a folder', (fs) => fs.mkdir('folder/way/x/y', { recursive: true })],
  [
    'recursive at once, many',
    async (fs) => {
      await Promise.all(Array.from({ length: 20 }, () => fs.mkdir('x/y/z', { recursive: true })));
    },
  ],
]);

same('mkdtemp', [
  [
    'makes a folder with six letters',
    async (fs) => {
      const made = await fs.mkdtemp('tmp-');
      const { mode } = nodeFs.statSync(made);
      nodeFs.rmdirSync(made);
      return [/^tmp-[A-Za-z0-9]{6}$/.test(made), mode];
    },
  ],
  [
    'as bytes',
    async (fs) => {
      const made = await fs.mkdtemp(Buffer.from('tmp-') as never, 'buffer');
      nodeFs.rmdirSync(made);
      return [Buffer.isBuffer(made), made.length];
    },
  ],
  [
    'in nothing names the letters',
    async (fs) => {
      const error = (await fs
        .mkdtemp('missing/x')
        .then(String, (error: unknown) => error)) as NodeJS.ErrnoException;
      const masked = error.message.replace(/x[A-Za-z0-9]{6}'/, "x<six>'");
      return [
        masked,
        error.code,
        error.errno,
        error.syscall,
        /^missing\/x\w{6}$/.test(error.path ?? ''),
      ];
    },
  ],
]);

same('rm', [
  ['of a file', (fs) => fs.rm('hello.txt')],
  ['of a link is of the link', (fs) => fs.rm('link')],
  ['of a link to nothing', (fs) => fs.rm('dead')],
  ['of a link to a folder', (fs) => fs.rm('folder/way', { recursive: true })],
  ['of nothing is ENOENT at lstat', (fs) => fs.rm('missing')],
  ['of nothing, forced', (fs) => fs.rm('missing', { force: true })],
  ['below a file', (fs) => fs.rm('hello.txt/x')],
  ['below a file, forced', (fs) => fs.rm('hello.txt/x', { force: true })],
  ['of a folder has its own error', (fs) => fs.rm('folder')],
  ['of an empty folder too', (fs) => fs.rm('vacant')],
  ['of a folder, forced', (fs) => fs.rm('folder', { force: true })],
  ['of a folder of bytes', (fs) => fs.rm(Buffer.from('folder'))],
  ['recursive of a tree', (fs) => fs.rm('folder', { recursive: true })],
  ['recursive of an empty folder', (fs) => fs.rm('vacant', { recursive: true })],
  ['recursive of a file', (fs) => fs.rm('hello.txt', { recursive: true })],
  ['recursive of nothing', (fs) => fs.rm('missing', { recursive: true })],
  ['recursive of nothing, forced', (fs) => fs.rm('missing', { recursive: true, force: true })],
  ['recursive of a path of bytes', (fs) => fs.rm(Buffer.from('folder'), { recursive: true })],
  ['recursive with a slash behind', (fs) => fs.rm('folder/', { recursive: true })],
  [
    'recursive of names that are no text',
    async (fs) => {
      nodeFs.mkdirSync(Buffer.concat([Buffer.from('vacant/'), strangeName]));
      nodeFs.writeFileSync(
        Buffer.concat([Buffer.from('vacant/'), strangeName, Buffer.from('/x')]),
        '',
      );
      await fs.rm('vacant', { recursive: true });
    },
  ],
  [
    'recursive of a deep and wide tree',
    async (fs) => {
      for (const a of 'abcdefgh') {
        for (const b of 'abcdefgh') {
          nodeFs.mkdirSync(`vacant/${a}/${b}/deep/er`, { recursive: true });
          nodeFs.writeFileSync(`vacant/${a}/${b}/deep/file`, '');
          nodeFs.writeFileSync(`vacant/${a}/${b}/deep/er/file`, '');
        }
      }
      await fs.rm('vacant', { recursive: true });
    },
  ],
  [
    'recursive of a folder with 300 files',
    async (fs) => {
      for (let index = 0; index < 300; index += 1) nodeFs.writeFileSync(`vacant/${index}`, '');
      await fs.rm('vacant', { recursive: true });
    },
  ],
  [
    'twice at once, forced',
    async (fs) => {
      const options = { recursive: true, force: true };
      const [a, b] = await Promise.allSettled([fs.rm('folder', options), fs.rm('folder', options)]);
      return [a.status, b.status];
    },
  ],
]);

same('rmdir', [
  ['of an empty folder', (fs) => fs.rmdir('vacant')],
  ['of a folder with something in it', (fs) => fs.rmdir('folder')],
  ['of a file', (fs) => fs.rmdir('hello.txt')],
  ['of nothing', (fs) => fs.rmdir('missing')],
  ['of a link to a folder', (fs) => fs.rmdir('folder/way')],
  ['of the empty path', (fs) => fs.rmdir('')],
]);
