/** What the module is: its names, what it lacks, and how its promises and errors look to programs. */

import { execFile } from 'node:child_process';
import nodeFs from 'node:fs';
import nodePromises from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { Runtime } from 'wakering';
import * as fs from 'wakering/fs';
import whole from 'wakering/fs';
import { errorOf } from './support/same-as-node.js';

const folder = nodeFs.mkdtempSync(path.join(os.tmpdir(), 'wakering-shape-'));
test.after.always(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

test('every name of node:fs/promises is there, or says that it is not', async (t) => {
  const known = new Set([...Object.keys(fs)]);
  for (const name of Object.keys(nodePromises)) {
    if (known.has(name)) continue;
    const missing = (whole as unknown as Record<string, () => unknown>)[name];
    const error = t.throws(() => missing?.(), { code: 'ERR_WAKERING_UNSUPPORTED' }, name);
    t.regex(error?.message ?? '', new RegExp(`^${name} is not part of wakering/fs yet: use `));
  }
});

test('the default export has the named ones', (t) => {
  for (const [name, value] of Object.entries(fs)) {
    if (name === 'default' || name === 'createFs') continue;
    t.is((whole as unknown as Record<string, unknown>)[name], value, name);
  }
});

test('methods that a FileHandle lacks say so', async (t) => {
  await using handle = await fs.open(process.execPath);
  const loose = handle as unknown as Record<string, () => unknown>;
  for (const name of ['createWriteStream', 'chmod', 'chown', 'utimes']) {
    t.throws(() => loose[name]?.(), { code: 'ERR_WAKERING_UNSUPPORTED', message: RegExp(name) });
  }
});

test('promises are native ones', async (t) => {
  const promises = [fs.stat('.'), fs.readFile(process.execPath).catch(() => {}), fs.access('.')];
  for (const promise of promises) {
    t.is(Object.getPrototypeOf(promise), Promise.prototype);
    t.true(promise instanceof Promise);
  }
  await Promise.all(promises);
});

test('wrong arguments reject; they do not throw', async (t) => {
  for (const call of [
    fs.stat,
    fs.readFile,
    fs.open,
    fs.rm,
    fs.readdir,
    fs.mkdir,
    fs.unlink,
    fs.realpath,
  ]) {
    const promise = (call as (path: unknown) => Promise<unknown>)(3);
    await t.throwsAsync(promise, { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('the stack of an error leads to whoever waits', async (t) => {
  async function whoWaits(): Promise<void> {
    await fs.stat(path.join(folder, 'missing'));
  }
  async function whoReads(): Promise<void> {
    await using handle = await fs.open(folder);
    await handle.read();
  }
  async function whoReadsAll(): Promise<void> {
    await fs.readFile(folder);
  }
  for (const caller of [whoWaits, whoReads, whoReadsAll]) {
    const error = await t.throwsAsync(caller());
    t.true(error?.stack?.includes(`at async ${caller.name}`), error?.stack);
  }
});

test('each runtime has its own fs, and both work side by side', async (t) => {
  await using first = new Runtime();
  await using second = new Runtime();
  const file = path.join(folder, 'shared');
  await first.fs.writeFile(file, 'one');
  t.is(await second.fs.readFile(file, 'utf8'), 'one');
  await using handle = await first.fs.open(file);
  t.is(await second.fs.readFile(handle, 'utf8'), 'one');
  t.is(nodeFs.fstatSync(handle.fd).size, 3);
});

test('a temporary folder goes with its scope', async (t) => {
  let made: string;
  {
    await using temporary = await fs.mkdtempDisposable(path.join(folder, 'tmp-'));
    made = temporary.path;
    nodeFs.writeFileSync(path.join(made, 'file'), 'x');
  }
  t.false(nodeFs.existsSync(made));
});

test('a thousand files are written, read and removed at once', async (t) => {
  const names = Array.from({ length: 1000 }, (_, index) => path.join(folder, `many-${index}`));
  await Promise.all(names.map((name, index) => fs.writeFile(name, `content ${index}`)));
  const contents = await Promise.all(names.map((name) => fs.readFile(name, 'utf8')));
  t.deepEqual(
    contents,
    names.map((_, index) => `content ${index}`),
  );
  await Promise.all(names.map((name) => fs.unlink(name)));
  t.deepEqual(
    nodeFs.readdirSync(folder).filter((name) => name.startsWith('many-')),
    [],
  );
});

test('mkdir in a place that takes no folders ends', async (t) => {
  // Node 26 goes around for ever here.
  const error = await t.throwsAsync(fs.mkdir('/proc/nothing/here', { recursive: true }));
  t.like(errorOf(error), { code: 'ENOENT', syscall: 'mkdir', path: '/proc/nothing/here' });
});

test('the permission model is asked before anything is done', async (t) => {
  const script = path.join(folder, 'asks.mjs');
  const api = import.meta.resolve('wakering/fs');
  nodeFs.writeFileSync(
    script,
    `import nodePromises from 'node:fs/promises';
    import fs from ${JSON.stringify(api)};
    const calls = {
      stat: (fs) => fs.stat('/etc/passwd'),
      readFile: (fs) => fs.readFile('/etc/passwd'),
      open: (fs) => fs.open('/etc/passwd', 'r+'),
      writeFile: (fs) => fs.writeFile('/etc/wakering', ''),
      mkdir: (fs) => fs.mkdir('/etc/wakering'),
      readdir: (fs) => fs.readdir('/etc'),
      rename: (fs) => fs.rename('/etc/a', '/etc/b'),
      unlink: (fs) => fs.unlink('/etc/a'),
      copyFile: (fs) => fs.copyFile('/etc/a', '/etc/b'),
      symlink: (fs) => fs.symlink('/etc/a', '/etc/b'),
      mkdtemp: (fs) => fs.mkdtemp('/etc/a'),
    };
    const said = {};
    for (const [name, call] of Object.entries(calls)) {
      said[name] = [];
      for (const side of [nodePromises, fs]) {
        said[name].push(await call(side).then(() => 'done', ({ code, permission = '', resource = '' }) => ({ code, permission, resource })));
      }
    }
    console.log(JSON.stringify(said));`,
  );
  const root = path.resolve(path.dirname(import.meta.filename), '../..');
  const { stdout } = await promisify(execFile)(process.execPath, [
    Number(process.versions.node.split('.')[0]) < 24 ? '--experimental-permission' : '--permission',
    '--allow-addons',
    ...[root, folder].map((place) => `--allow-fs-read=${place}`),
    script,
  ]);
  const said = JSON.parse(stdout) as Record<string, [unknown, { code: string }]>;
  for (const [name, [theirs, mine]] of Object.entries(said)) {
    t.is(mine.code, 'ERR_ACCESS_DENIED', name);
    if (Number(process.versions.node.split('.')[0]) >= 26) t.deepEqual(mine, theirs as never, name);
  }
});
