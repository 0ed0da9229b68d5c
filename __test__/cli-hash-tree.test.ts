/** `wakering hash` on every kind of tree, against what `find` and `sha256sum` would do. */

import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import * as cli from './support/cli.js';
import { skip } from './support/launch.js';

const once = ['hash', '--no-compare'];

test('an ordinary tree: sorted by bytes, checked by sha256sum, both sides equal', async (t) => {
  const cwd = await cli.makeFolder(t);
  await mkdir(join(cwd, 'tree/b/deep'), { recursive: true });
  await writeFile(join(cwd, 'tree/b/deep/x'), 'x');
  await writeFile(join(cwd, 'tree/b.txt'), 'dot sorts before slash');
  await writeFile(join(cwd, 'tree/Z'), '');
  await writeFile(join(cwd, 'tree/ä'), 'not ascii');
  const { code, stderr, stdout } = await cli.runCli(['hash', 'tree'], { cwd });
  t.is(code, 0, stderr);
  t.is(
    stdout.toString(),
    cli.line('tree/Z', '') +
      cli.line('tree/b.txt', 'dot sorts before slash') +
      cli.line('tree/b/deep/x', 'x') +
      cli.line('tree/ä', 'not ascii'),
  );
  t.regex(stderr, /^wakering: 4 files, 32 B in \d+\.\d{3} s/m);
  t.regex(stderr, /^node:fs: {2}the same work .* in \d+\.\d{3} s/m);
  t.regex(stderr, /^ratio: {4}\d+\.\d\d/m);
  t.regex(stderr, /^compare: {2}manifests equal/m);
  t.regex(stderr, /^backend: .+\nbecause: .+\n$/m);
  await writeFile(join(cwd, 'manifest'), stdout);
  const check = spawnSync('sha256sum', ['-c', 'manifest'], { cwd });
  t.is(check.status, 0, String(check.stderr));
});

test('names with a backslash, a newline or a carriage return are escaped', async (t) => {
  const cwd = await cli.makeFolder(t);
  for (const name of ['a\nb', 'c\\d', 'e\rf', ' lead', '*star', '-dash']) {
    await writeFile(join(cwd, name), name);
  }
  const { code, stdout } = await cli.runCli(once, { cwd });
  t.is(code, 0);
  const text = stdout.toString();
  t.true(text.includes(`\\${cli.sha256('a\nb')}  ./a\\nb\n`));
  t.true(text.includes(`\\${cli.sha256('c\\d')}  ./c\\\\d\n`));
  t.true(text.includes(`\\${cli.sha256('e\rf')}  ./e\\rf\n`));
  t.true(text.includes(cli.line('./ lead', ' lead')));
  if (!cli.hasGnuSha256sum()) return skip(t, 'no GNU sha256sum to check escapes with');
  await writeFile(join(cwd, '../wakering-escapes'), stdout);
  t.teardown(() => spawnSync('rm', ['-f', join(cwd, '../wakering-escapes')]));
  const check = spawnSync('sha256sum', ['--strict', '-c', '../wakering-escapes'], { cwd });
  t.is(check.status, 0, String(check.stderr));
});

test('names that are not UTF-8 are written byte for byte', async (t) => {
  const cwd = await cli.makeFolder(t);
  const folder = cli.bytesPath(cwd, 0xff, 0x64);
  await mkdir(folder);
  await writeFile(Buffer.concat([folder, Buffer.from('/caf\xe9', 'latin1')]), 'coffee');
  const { code, stderr, stdout } = await cli.runCli(['hash', '.'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.toString('latin1'), cli.line('./\xffd/caf\xe9', 'coffee'));
  t.regex(stderr, /manifests equal/);
});

test('a DIRECTORY whose own name is not UTF-8', async (t) => {
  const cwd = await cli.makeFolder(t);
  const folder = cli.bytesPath(cwd, 0x66, 0xff);
  await mkdir(folder);
  await writeFile(Buffer.concat([folder, Buffer.from('/x')]), 'x');
  const script = 'exec "$0" "$1" hash --no-compare "$(printf "f\\377")"';
  const { status, stderr, stdout } = spawnSync(
    'sh',
    ['-c', script, process.execPath, cli.cliPath],
    { cwd },
  );
  t.is(status, 0, String(stderr));
  t.is(stdout.toString('latin1'), cli.line('f\xff/x', 'x'));
});

test('unreadable files are reported and counted, the rest goes on, exit code 1', async (t) => {
  const under = cli.underFileModes();
  if (under === undefined) return skip(t, 'root without setpriv reads every file');
  const cwd = await cli.makeFolder(t);
  await writeFile(join(cwd, 'open'), 'open');
  await writeFile(join(cwd, 'secret'), 'secret');
  await chmod(join(cwd, 'secret'), 0);
  await mkdir(join(cwd, 'closed'), { mode: 0 });
  const { code, stderr, stdout } = await cli.runCli(['hash', '.'], { cwd, under });
  t.is(code, 1);
  t.is(stdout.toString(), cli.line('./open', 'open'));
  t.regex(stderr, /^wakering: '\.\/secret': permission denied \(EACCES in open\)$/m);
  t.regex(stderr, /^wakering: '\.\/closed': permission denied \(EACCES in scandir\)$/m);
  t.regex(stderr, /; 2 could not be read$/m);
});

test('an unreadable DIRECTORY is an error with a hint', async (t) => {
  const under = cli.underFileModes();
  if (under === undefined) return skip(t, 'root without setpriv reads every folder');
  const cwd = await cli.makeFolder(t);
  await mkdir(join(cwd, 'closed'), { mode: 0 });
  const { code, stderr, stdout } = await cli.runCli(['hash', 'closed'], { cwd, under });
  t.is(code, 1);
  t.is(stdout.length, 0);
  t.regex(stderr, /^wakering: cannot read 'closed': permission denied \(EACCES/);
});

test('symbolic links in the tree are skipped, so loops end', async (t) => {
  const cwd = await cli.makeFolder(t);
  await mkdir(join(cwd, 'tree/sub'), { recursive: true });
  await writeFile(join(cwd, 'tree/file'), 'file');
  await symlink('..', join(cwd, 'tree/sub/up'));
  await symlink('itself', join(cwd, 'tree/itself'));
  await symlink('file', join(cwd, 'tree/link'));
  await symlink('nothing', join(cwd, 'tree/dangling'));
  const { code, stderr, stdout } = await cli.runCli([...once, 'tree'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.toString(), cli.line('tree/file', 'file'));
  t.regex(stderr, /skipped 4 symbolic links/);
});

test('a DIRECTORY that is a symbolic link is followed', async (t) => {
  const cwd = await cli.makeFolder(t);
  await mkdir(join(cwd, 'real'));
  await writeFile(join(cwd, 'real/file'), 'file');
  await symlink('real', join(cwd, 'link'));
  for (const [root, shown] of [
    ['link', 'link/file'],
    ['link/', 'link/file'],
  ] as const) {
    const { code, stdout } = await cli.runCli([...once, root], { cwd });
    t.is(code, 0);
    t.is(stdout.toString(), cli.line(shown, 'file'));
  }
});

test('FIFOs, sockets and devices are skipped and counted, never opened', async (t) => {
  const cwd = await cli.makeFolder(t);
  await writeFile(join(cwd, 'file'), 'file');
  execFileSync('mkfifo', [join(cwd, 'fifo')]);
  const server = createServer().listen(join(cwd, 'socket'));
  t.teardown(() => server.close());
  const devices = spawnSync('mknod', [join(cwd, 'null'), 'c', '1', '3']).status === 0 ? 1 : 0;
  if (devices === 0) t.log('no device in the tree: mknod is not allowed here');
  // Opening the FIFO would hang: nobody writes to it.
  const { code, stderr, stdout } = await cli.runCli(['hash', '.'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.toString(), cli.line('./file', 'file'));
  t.regex(stderr, /skipped 1 FIFO, 1 socket/);
  t.is(/1 device/.test(stderr), devices === 1);
});

test('an empty directory gives an empty manifest and exit code 0', async (t) => {
  const cwd = await cli.makeFolder(t);
  const { code, stderr, stdout } = await cli.runCli(['hash'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.length, 0);
  t.regex(stderr, /^wakering: 0 files, 0 B/m);
});

test('a missing DIRECTORY is an error with a hint', async (t) => {
  const cwd = await cli.makeFolder(t);
  const { code, stderr, stdout } = await cli.runCli(['hash', 'no/such'], { cwd });
  t.is(code, 1);
  t.is(stdout.length, 0);
  t.is(
    stderr,
    "wakering: cannot read 'no/such': no such file or directory (ENOENT in stat); " +
      'check the spelling of the path\n',
  );
});

test('a DIRECTORY that is a file is hashed by itself, through a link too', async (t) => {
  const cwd = await cli.makeFolder(t);
  await writeFile(join(cwd, 'file'), 'content');
  await symlink('file', join(cwd, 'link'));
  for (const name of ['file', 'link']) {
    const { code, stdout } = await cli.runCli(['hash', name], { cwd });
    t.is(code, 0);
    t.is(stdout.toString(), cli.line(name, 'content'));
  }
});

test('a DIRECTORY that is a FIFO is refused without opening it', async (t) => {
  const cwd = await cli.makeFolder(t);
  execFileSync('mkfifo', [join(cwd, 'fifo')]);
  const { code, stderr } = await cli.runCli(['hash', 'fifo'], { cwd });
  t.is(code, 1);
  t.is(stderr, "wakering: cannot hash 'fifo': it is a FIFO; name a directory or a file\n");
});

test('files around every size at which reading changes', async (t) => {
  const cwd = await cli.makeFolder(t);
  const unit = 64 * 1024;
  const piece = 1024 * 1024;
  const sizes = [1, unit - 1, unit, unit + 1, piece - 1, piece, piece + 1, 2 * piece];
  for (const size of sizes) {
    await writeFile(join(cwd, String(size).padStart(8, '0')), Buffer.alloc(size, size % 251));
  }
  const expected = sizes.map((size) =>
    cli.line(`./${String(size).padStart(8, '0')}`, Buffer.alloc(size, size % 251)),
  );
  const { code, stderr, stdout } = await cli.runCli(['hash', '--concurrency', '1'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.toString(), expected.join(''));
});

test('files of /proc, which have content and no size', async (t) => {
  const { code, stderr, stdout } = await cli.runCli([...once, '/proc/sys/kernel/random/boot_id']);
  t.is(code, 0, stderr);
  const expected = execFileSync('cat', ['/proc/sys/kernel/random/boot_id']);
  t.is(stdout.toString(), cli.line('/proc/sys/kernel/random/boot_id', expected));
});

test('a file larger than 2 GiB is read in pieces', async (t) => {
  if (process.env['WAKERING_SLOW'] === '1') return skip(t, 'too slow on this machine');
  const cwd = await cli.makeFolder(t);
  await writeFile(join(cwd, 'large'), '');
  // A hole: it takes no room on the disk.
  await truncate(join(cwd, 'large'), 2 ** 31 + 4097);
  const { code, stderr, stdout } = await cli.runCli([...once, 'large'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.toString(), execFileSync('sha256sum', ['large'], { cwd }).toString());
});

test('the thousands of files of a wide and deep tree, many at a time', async (t) => {
  const cwd = await cli.makeFolder(t);
  const expected: string[] = [];
  for (let folder = 0; folder < 30; folder += 1) {
    const path = join('tree', ...Array.from({ length: (folder % 7) + 1 }, () => `d${folder}`));
    await mkdir(join(cwd, path), { recursive: true });
    for (let file = 0; file < 50; file += 1) {
      await writeFile(join(cwd, path, `f${file}`), `${folder} ${file}`);
      expected.push(cli.line(`${path}/f${file}`, `${folder} ${file}`));
    }
  }
  for (const concurrency of ['1', '7', '256']) {
    const args = [...once, '--concurrency', concurrency, 'tree'];
    const { code, stderr, stdout } = await cli.runCli(args, { cwd });
    t.is(code, 0, stderr);
    const byPath = (a: string, b: string): number => (a.slice(64) < b.slice(64) ? -1 : 1);
    t.is(stdout.toString(), expected.toSorted(byPath).join(''));
  }
});
