/** Where the manifest and the report go, and what an end in the middle leaves behind. */

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  readFile,
  readdir,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as cli from './support/cli.js';
import { skip } from './support/launch.js';

const hash = ['hash', '--no-compare'];

/** A folder with a tree of one small file. */
async function makeTree(t: ExecutionContext): Promise<string> {
  const cwd = await cli.makeFolder(t);
  await mkdir(join(cwd, 'tree'));
  await writeFile(join(cwd, 'tree/file'), 'file');
  return cwd;
}

const manifest = cli.line('tree/file', 'file');

test('--out writes the manifest there and nothing to standard output', async (t) => {
  const cwd = await makeTree(t);
  const { code, stderr, stdout } = await cli.runCli([...hash, '--out', 'm', 'tree'], { cwd });
  t.is(code, 0, stderr);
  t.is(stdout.length, 0);
  t.is(await readFile(join(cwd, 'm'), 'utf8'), manifest);
  t.deepEqual((await readdir(cwd)).toSorted(), ['m', 'tree']);
  t.regex(stderr, /^manifest: written to 'm'$/m);
});

test('--out replaces an older manifest, keeps its mode and follows a link to it', async (t) => {
  const cwd = await makeTree(t);
  await writeFile(join(cwd, 'old'), 'older and much longer'.repeat(100));
  await chmod(join(cwd, 'old'), 0o640);
  await symlink('old', join(cwd, 'link'));
  const { code, stderr } = await cli.runCli([...hash, '--out', 'link', 'tree'], { cwd });
  t.is(code, 0, stderr);
  t.is(await readFile(join(cwd, 'old'), 'utf8'), manifest);
  t.is((await stat(join(cwd, 'old'))).mode & 0o777, 0o640);
  t.deepEqual((await readdir(cwd)).toSorted(), ['link', 'old', 'tree']);
});

test('--out inside the tree is never hashed, neither the old file nor the new', async (t) => {
  const cwd = await makeTree(t);
  for (const round of ['first', 'second']) {
    const args = ['hash', '--out', 'tree/m', 'tree'];
    const { code, stderr } = await cli.runCli(args, { cwd });
    t.is(code, 0, `${round}: ${stderr}`);
    t.is(await readFile(join(cwd, 'tree/m'), 'utf8'), manifest, round);
    t.regex(stderr, /files? of the manifest itself/, round);
  }
  t.deepEqual((await readdir(join(cwd, 'tree'))).toSorted(), ['file', 'm']);
});

test('--out inside the tree, reached by another way', async (t) => {
  const cwd = await makeTree(t);
  await symlink('tree', join(cwd, 'alias'));
  const args = [...hash, '--out', join(cwd, 'tree/m'), 'alias'];
  const { code, stderr } = await cli.runCli(args, { cwd });
  t.is(code, 0, stderr);
  t.is(await readFile(join(cwd, 'tree/m'), 'utf8'), cli.line('alias/file', 'file'));
});

test('--out that would replace the file to be hashed is refused', async (t) => {
  const cwd = await makeTree(t);
  const args = [...hash, '--out', 'tree/file', 'tree/file'];
  const { code, stderr } = await cli.runCli(args, { cwd });
  t.is(code, 1);
  t.regex(stderr, /would replace the file that is to be hashed/);
  t.is(await readFile(join(cwd, 'tree/file'), 'utf8'), 'file');
  t.deepEqual(await readdir(join(cwd, 'tree')), ['file']);
});

test('--out in a missing folder fails before anything is hashed', async (t) => {
  const cwd = await makeTree(t);
  const { code, stderr } = await cli.runCli([...hash, '--out', 'no/m', 'tree'], { cwd });
  t.is(code, 1);
  t.is(
    stderr,
    "wakering: cannot write 'no/m': no such file or directory (ENOENT in realpath); " +
      'its folder must exist\n',
  );
});

test('--out that is a directory, and --out where writing is not allowed', async (t) => {
  const cwd = await makeTree(t);
  const folder = await cli.runCli([...hash, '--out', '.', 'tree'], { cwd });
  t.is(folder.code, 1);
  t.is(folder.stderr, "wakering: cannot write '.': it is a directory; name a file in it\n");
  const under = cli.underFileModes();
  if (under === undefined) return skip(t, 'root without setpriv writes everywhere');
  await writeFile(join(cwd, 'kept'), 'kept');
  await chmod(join(cwd, 'kept'), 0o444);
  const file = await cli.runCli([...hash, '--out', 'kept', 'tree'], { cwd, under });
  t.is(file.code, 1);
  t.regex(file.stderr, /^wakering: cannot write 'kept': permission denied \(EACCES in access\)/);
  t.is(await readFile(join(cwd, 'kept'), 'utf8'), 'kept');
  await mkdir(join(cwd, 'closed'), { mode: 0o555 });
  const closed = await cli.runCli([...hash, '--out', 'closed/m', 'tree'], { cwd, under });
  t.is(closed.code, 1);
  t.regex(closed.stderr, /EACCES in open\); its folder must allow new files/);
});

test('--out to a device or a FIFO writes into it and leaves it what it is', async (t) => {
  const cwd = await makeTree(t);
  const device = await cli.runCli([...hash, '--out', '/dev/null', 'tree'], { cwd });
  t.is(device.code, 0, device.stderr);
  t.true((await stat('/dev/null')).isCharacterDevice());
  execFileSync('mkfifo', [join(cwd, 'fifo')]);
  const reading = readFile(join(cwd, 'fifo'), 'utf8');
  const fifo = await cli.runCli([...hash, '--out', 'fifo', 'tree'], { cwd });
  t.is(fifo.code, 0, fifo.stderr);
  t.is(await reading, manifest);
});

test('--out on a full disk says so and leaves nothing', async (t) => {
  const cwd = await makeTree(t);
  const { code, stderr } = await cli.runCli([...hash, '--out', '/dev/full', 'tree'], { cwd });
  t.is(code, 1);
  t.regex(stderr, /^wakering: cannot write '\/dev\/full': no space left on device \(ENOSPC/m);
});

test('--out - is standard output', async (t) => {
  const cwd = await makeTree(t);
  const { code, stdout } = await cli.runCli([...hash, '--out', '-', 'tree'], { cwd });
  t.is(code, 0);
  t.is(stdout.toString(), manifest);
});

test('--quiet says nothing but failures', async (t) => {
  const cwd = await makeTree(t);
  const { code, stderr, stdout } = await cli.runCli(['hash', '--quiet', 'tree'], { cwd });
  t.is(code, 0);
  t.is(stderr, '');
  t.is(stdout.toString(), manifest);
});

test('--json reports on standard output, and the manifest goes to --out', async (t) => {
  const cwd = await makeTree(t);
  const args = ['hash', '--json', '--out', 'm', 'tree'];
  const { code, stderr, stdout } = await cli.runCli(args, { cwd });
  t.is(code, 0, stderr);
  t.is(stderr, '');
  t.is(await readFile(join(cwd, 'm'), 'utf8'), manifest);
  const report = JSON.parse(stdout.toString());
  t.like(report, {
    directory: 'tree',
    files: 1,
    bytes: 4,
    failures: [],
    manifest: 'm',
    comparison: { files: 1, bytes: 4, manifestsEqual: true, firstDifference: null },
  });
  t.true(report.seconds > 0);
  t.true(report.comparison.ratio > 0);
  t.is(typeof report.backend.driver, 'string');
  t.true(report.backend.reason.length > 0);
});

test('no progress bar where standard error is no terminal', async (t) => {
  const cwd = await makeTree(t);
  const { stderr } = await cli.runCli(['hash', 'tree'], { cwd });
  t.false(stderr.includes('\u001b'));
  t.false(stderr.includes('\r'));
});

test('a progress bar where standard error is a terminal, gone at the end', async (t) => {
  const cwd = await makeTree(t);
  // The first line of the report comes after the bar: `script` gives the tool a terminal.
  const command = `'${process.execPath}' '${cli.cliPath}' hash tree`;
  const run = spawnSync('script', ['-qec', command, '/dev/null'], { cwd, encoding: 'utf8' });
  if (run.error !== undefined) return skip(t, 'there is no `script` to make a terminal with');
  t.is(run.status, 0, run.stdout);
  t.regex(run.stdout, /node:fs .* 0\/0 files/);
  // Clears the line.
  const cleared = run.stdout.lastIndexOf('\u001b[0K');
  t.true(cleared >= 0);
  t.true(run.stdout.indexOf('wakering: 1 file') > cleared);
});

test('a reader that goes away ends it without a word, as it ends any filter', async (t) => {
  const cwd = await makeTree(t);
  const child = cli.startCli([...hash, 'tree'], { cwd });
  child.stdout?.destroy();
  const { code, stderr } = await cli.finished(child);
  t.is(code, 141);
  t.is(stderr, '');
});

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} in the middle: exit code ${expected}, one line, no half manifest`, async (t) => {
    const cwd = await makeTree(t);
    await writeFile(join(cwd, 'm'), 'older manifest');
    // Minutes of work, all of it holes.
    await writeFile(join(cwd, 'tree/large'), '');
    await truncate(join(cwd, 'tree/large'), 2 ** 38);
    const child = cli.startCli(['hash', '--out', 'm', 'tree'], { cwd });
    const ended = cli.finished(child);
    while ((await readdir(cwd)).length < 3) await sleep(10);
    await sleep(200);
    child.kill(signal);
    const { code, stderr, stdout } = await ended;
    t.is(code, expected);
    t.is(stderr, `wakering: interrupted by ${signal} before the manifest was written\n`);
    t.is(stdout.length, 0);
    t.is(await readFile(join(cwd, 'm'), 'utf8'), 'older manifest');
    t.deepEqual((await readdir(cwd)).toSorted(), ['m', 'tree']);
  });
}

test('Ctrl-C while a FIFO given as --out has no reader ends it all the same', async (t) => {
  const cwd = await makeTree(t);
  execFileSync('mkfifo', [join(cwd, 'fifo')]);
  const child = cli.startCli([...hash, '--out', 'fifo', 'tree'], { cwd });
  await sleep(2000);
  child.kill('SIGINT');
  const late = sleep(10_000, 'hangs', { ref: false });
  const result = await Promise.race([once(child, 'exit'), late]);
  if (result === 'hangs') child.kill('SIGKILL');
  // The second is what a process looks like that could not end in an orderly way; shells show 130.
  t.true(isDeepStrictEqual(result, [130, null]) || isDeepStrictEqual(result, [null, 'SIGINT']));
});
