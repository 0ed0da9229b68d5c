/** The command line itself: what is understood, what is refused, and the small pure parts. */

import test from 'ava';
import { argumentBytes } from '#cli/arguments';
import { firstDifference, manifestLine, sortEntries } from '#cli/hash/manifest';
import { binaryBytes, bytes, count, describeError, displayPath } from '#cli/text';
import * as cli from './support/cli.js';

for (const [title, args, message] of [
  ['an unknown option', ['hash', '--what'], /unknown option '--what'/],
  ['an unknown command', ['hsah'], /unknown command 'hsah'/],
  ['a concurrency of zero', ['hash', '--concurrency', '0'], /whole number from 1 to 1024/],
  ['a concurrency that is no number', ['hash', '--concurrency', '1e2'], /whole number/],
  ['an unknown driver', ['hash', '--driver', 'epoll'], /Allowed choices are uring, poll/],
  ['two directories', ['hash', 'a', 'b'], /too many arguments/],
  ['an empty DIRECTORY', ['hash', ''], /DIRECTORY is empty; give a path/],
  ['no command', [], /Usage: wakering/],
] as const) {
  test(`${title} is bad usage, exit code 2`, async (t) => {
    const { code, stderr, stdout } = await cli.runCli(args);
    t.is(code, 2);
    t.regex(stderr, message);
    t.is(stdout.length, 0);
  });
}

test('--help and --version end well, and help names the exit codes', async (t) => {
  const help = await cli.runCli(['hash', '--help']);
  t.is(help.code, 0);
  t.regex(help.stdout.toString(), /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}130 /);
  const version = await cli.runCli(['--version']);
  t.is(version.code, 0);
  t.regex(version.stdout.toString(), /^\d+\.\d+\.\d+/);
});

test('an argument that is not UTF-8 is found on the command line of the process', (t) => {
  const commandLine = (): Buffer =>
    Buffer.from('node\0wakering\0hash\0--out=m\xfe\0d\xff\0', 'latin1');
  t.is(argumentBytes('d\ufffd', commandLine).toString('latin1'), 'd\xff');
  t.is(argumentBytes('m\ufffd', commandLine).toString('latin1'), 'm\xfe');
  t.is(argumentBytes('plain', commandLine).toString(), 'plain');
  t.is(argumentBytes('x\ufffd', commandLine).toString(), 'x\ufffd');
});

test('a manifest line escapes what would break it, and nothing else', (t) => {
  const digest = 'd'.repeat(64);
  const text = (path: string): string =>
    manifestLine({ path: Buffer.from(path, 'latin1'), digest }).toString('latin1');
  t.is(text('a b'), `${digest}  a b\n`);
  t.is(text('\xff\t*'), `${digest}  \xff\t*\n`);
  t.is(text('a\\n\nb\r\xff'), `\\${digest}  a\\\\n\\nb\\r\xff\n`);
});

test('manifests sort by bytes and differ at the first path that differs', (t) => {
  const entry = (path: string, digest = '0'): { path: Buffer; digest: string } => ({
    path: Buffer.from(path),
    digest,
  });
  const sorted = sortEntries([entry('b'), entry('a/b'), entry('ä'), entry('a.b'), entry('B')]);
  t.deepEqual(
    sorted.map(({ path }) => path.toString()),
    ['B', 'a.b', 'a/b', 'b', 'ä'],
  );
  t.is(firstDifference([entry('a'), entry('b')], [entry('a'), entry('b')]), undefined);
  t.is(firstDifference([], []), undefined);
  t.is(firstDifference([entry('a', '1')], [entry('a', '2')])?.toString(), 'a');
  t.is(firstDifference([entry('a')], [entry('a'), entry('b')])?.toString(), 'b');
  t.is(firstDifference([entry('a'), entry('c')], [entry('b'), entry('c')])?.toString(), 'a');
});

test('paths on a terminal are quoted and harmless', (t) => {
  const shown = (text: string): string => displayPath(Buffer.from(text));
  t.is(shown('a b/ä'), "'a b/ä'");
  t.is(shown("it's"), String.raw`'it\'s'`);
  t.is(shown('a\nb\\'), String.raw`'a\nb\\'`);
  t.is(shown('\u001b[31m'), String.raw`'\x1b[31m'`);
  t.is(shown('\u202etxt.exe'), String.raw`'\xe2\x80\xaetxt.exe'`);
  t.is(displayPath(Buffer.from('caf\xe9\n', 'latin1')), String.raw`'caf\xe9\n'`);
});

test('numbers for people', (t) => {
  t.deepEqual([0, 999, 1000, 12_345, 999_999, 4_170_000_000].map(bytes), [
    '0 B',
    '999 B',
    '1.00 kB',
    '12.3 kB',
    '1.00 MB',
    '4.17 GB',
  ]);
  t.deepEqual([1000, 65_536, 8 * 2 ** 20, 2 ** 30].map(binaryBytes), [
    '1,000 B',
    '64 KiB',
    '8 MiB',
    '1 GiB',
  ]);
  t.is(count(1, 'file'), '1 file');
  t.is(count(12_345, 'file'), '12,345 files');
});

test('errors in words', (t) => {
  const failed = Object.assign(new Error("ENOENT: no such file, open 'x'"), {
    code: 'ENOENT',
    errno: -2,
    syscall: 'open',
  });
  t.is(describeError(failed), 'no such file or directory (ENOENT in open)');
  t.is(describeError(new Error('something else')), 'something else');
  t.is(describeError('a string'), 'a string');
});
