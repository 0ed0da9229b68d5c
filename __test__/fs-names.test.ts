/** Names: renaming, linking, unlinking, copying, and asking about them. */

import nodeFs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { same, strangeName } from './support/same-as-node.js';

same('access', [
  ['of a file', (fs) => fs.access('hello.txt')],
  ['of a file to read and write', (fs) => fs.access('hello.txt', 6)],
  ['of a file to run', (fs) => fs.access('hello.txt', 1)],
  ['of a folder to enter', (fs) => fs.access('folder', 7)],
  ['of nothing', (fs) => fs.access('missing')],
  ['of a link to nothing', (fs) => fs.access('dead')],
  ['in circles', (fs) => fs.access('loop')],
  ['below a file', (fs) => fs.access('hello.txt/x')],
  ['of the empty path', (fs) => fs.access('')],
  ['of a name that is no text', (fs) => fs.access(strangeName)],
]);

same('rename', [
  ['of a file', (fs) => fs.rename('hello.txt', 'other')],
  ['over a file', (fs) => fs.rename('hello.txt', 'empty')],
  ['of a folder', (fs) => fs.rename('folder', 'vacant/inner')],
  ['over an empty folder', (fs) => fs.rename('folder', 'vacant')],
  ['over a folder with something in it', (fs) => fs.rename('vacant', 'folder')],
  ['of a file over a folder', (fs) => fs.rename('hello.txt', 'vacant')],
  ['of a folder over a file', (fs) => fs.rename('vacant', 'hello.txt')],
  ['of a folder into itself', (fs) => fs.rename('folder', 'folder/sub/x')],
  ['of nothing', (fs) => fs.rename('missing', 'other')],
  ['into nothing', (fs) => fs.rename('hello.txt', 'missing/other')],
  ['onto itself', (fs) => fs.rename('hello.txt', 'hello.txt')],
  ['of a link is of the link', (fs) => fs.rename('dead', 'other')],
  ['of bytes, missing', (fs) => fs.rename(Buffer.from('missing'), Buffer.from('ü'))],
  ['of names that are no text', (fs) => fs.rename(strangeName, 'text')],
]);

same('link', [
  ['of a file', (fs) => fs.link('hello.txt', 'second')],
  ['of a folder', (fs) => fs.link('folder', 'second')],
  ['of nothing', (fs) => fs.link('missing', 'second')],
  ['onto what is there', (fs) => fs.link('hello.txt', 'empty')],
  ['of a symbolic link', (fs) => fs.link('dead', 'second')],
]);

same('symlink', [
  ['to a file', (fs) => fs.symlink('hello.txt', 'fresh')],
  ['to nothing', (fs) => fs.symlink('any/where', 'fresh')],
  ['onto what is there names the target first', (fs) => fs.symlink('target', 'hello.txt')],
  ['in nothing', (fs) => fs.symlink('target', 'missing/fresh')],
  ['to the empty path', (fs) => fs.symlink('', 'fresh')],
  ['of bytes', (fs) => fs.symlink(strangeName, Buffer.from('fresh'))],
  ['to a URL', (fs) => fs.symlink(new URL('file:///x%20y'), 'fresh')],
]);

same('readlink', [
  ['of a link', (fs) => fs.readlink('link')],
  ['of a link, as bytes', (fs) => fs.readlink('link', 'buffer')],
  ['of a link, as hex', (fs) => fs.readlink('link', { encoding: 'hex' })],
  ['of a file', (fs) => fs.readlink('hello.txt')],
  ['of nothing', (fs) => fs.readlink('missing')],
  [
    'of a link that is no text',
    async (fs) => {
      nodeFs.symlinkSync(strangeName, 'odd');
      return [await fs.readlink('odd'), await fs.readlink('odd', 'buffer')];
    },
  ],
  [
    'of a long link',
    async (fs) => {
      nodeFs.symlinkSync('long/'.repeat(700), 'odd');
      return fs.readlink('odd');
    },
  ],
]);

same('realpath', [
  ['of a file', (fs) => fs.realpath('hello.txt')],
  ['of a link', (fs) => fs.realpath('link')],
  ['through links and dots', (fs) => fs.realpath('folder/way/../sub/./c')],
  ['as bytes', async (fs) => path.basename((await fs.realpath('link', 'buffer')).toString())],
  ['of nothing', (fs) => fs.realpath('missing')],
  ['of a link to nothing', (fs) => fs.realpath('dead')],
  ['in circles', (fs) => fs.realpath('loop')],
  ['of the empty path', (fs) => fs.realpath('')],
]);

same('unlink', [
  ['of a file', (fs) => fs.unlink('hello.txt')],
  ['of a link', (fs) => fs.unlink('link')],
  ['of a folder', (fs) => fs.unlink('vacant')],
  ['of nothing', (fs) => fs.unlink('missing')],
  ['below a file', (fs) => fs.unlink('hello.txt/x')],
  ['of a name that is no text', (fs) => fs.unlink(strangeName)],
  ['of a name that is no text, missing', (fs) => fs.unlink(Buffer.from([0x61, 0xff]))],
]);

same('copyFile', [
  ['makes a copy', (fs) => fs.copyFile('big', 'copy')],
  ['of an empty file', (fs) => fs.copyFile('empty', 'copy')],
  ['replaces what is there', (fs) => fs.copyFile('hello.txt', 'big')],
  ['keeps the mode', (fs) => fs.copyFile('private', 'copy')],
  ['through links', (fs) => fs.copyFile('link', 'dead')],
  ['onto itself', (fs) => fs.copyFile('hello.txt', 'hello.txt')],
  ['onto what is there, exclusively', (fs) => fs.copyFile('hello.txt', 'empty', 1)],
  ['exclusively', (fs) => fs.copyFile('hello.txt', 'copy', 1)],
  ['as a clone where it can be', (fs) => fs.copyFile('hello.txt', 'copy', 2)],
  ['of nothing', (fs) => fs.copyFile('missing', 'copy')],
  ['into nothing', (fs) => fs.copyFile('hello.txt', 'missing/copy')],
  [
    'of a folder',
    (fs) => fs.copyFile('folder', 'copy'),
    { fields: ['code', 'syscall', 'path', 'dest'] },
  ],
  ['onto a folder', (fs) => fs.copyFile('hello.txt', 'vacant')],
]);

same('truncate', [
  ['of a file', (fs) => fs.truncate('hello.txt', 3)],
  ['of a link', (fs) => fs.truncate('link', 3)],
  ['of a folder is at open', (fs) => fs.truncate('folder')],
  ['of nothing', (fs) => fs.truncate('missing', 1)],
]);

same('open', [
  ['of nothing', (fs) => fs.open('missing')],
  ['of nothing to write below a file', (fs) => fs.open('hello.txt/x', 'w')],
  ['of a folder to write', (fs) => fs.open('folder', 'w')],
  ['of a folder exclusively', (fs) => fs.open('folder', 'wx')],
  ['of a link, exclusively', (fs) => fs.open('dead', 'wx')],
  ['of a link without following it', (fs) => fs.open('link', nodeFs.constants.O_NOFOLLOW)],
  ['of a file as a folder', (fs) => fs.open('hello.txt', nodeFs.constants.O_DIRECTORY)],
  [
    'with a URL',
    async (fs) => {
      const handle = await fs.open(pathToFileURL(path.resolve('grüße.txt')));
      return handle.readFile('utf8').finally(() => handle.close());
    },
  ],
  ['of a name that is too long', (fs) => fs.open('y'.repeat(256))],
  ['of a path that is too long', (fs) => fs.open('y/'.repeat(2048))],
  [
    'of a path as long as it may be',
    (fs) => fs.open(`${'./'.repeat(2042)}hello.txt`).then((h) => h.close()),
  ],
  [
    'of a path one byte longer',
    (fs) => fs.open(`${'./'.repeat(2043)}hello.txt`).then((h) => h.close()),
  ],
]);
