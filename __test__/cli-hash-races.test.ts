/**
 * Trees that change under the walk, and file systems with habits: the same code that the tool runs,
 * on both file systems, each with something happening between two of its calls.
 */

import { execFileSync } from 'node:child_process';
import { constants, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { compare } from '#cli/hash/compare';
import { nodeFileSystem } from '#cli/hash/file-system';
import type { Entry, FileSystem, OpenFile, Status } from '#cli/hash/file-system';
import { makePass } from '#cli/hash/pass';
import type { Pass } from '#cli/hash/pass';
import { openBackend } from '#cli/backend';
import * as cli from './support/cli.js';

const backend = await openBackend(undefined);
test.after.always(() => backend[Symbol.asyncDispose]());

const sides = { 'node:fs': nodeFileSystem, wakering: backend.fileSystem } as const;

/** Called before an operation reaches the file system. */
interface Hooks {
  readonly opened?: (path: string, flags: number) => void | Promise<void>;
  readonly listed?: (path: string, entries: Entry[]) => void | Entry[];
  readonly read?: (position: number, length: number) => void | Promise<void>;
  readonly examined?: (status: Status) => void;
}

function hooked(fs: FileSystem, hooks: Hooks): FileSystem {
  return {
    stat: (path, options) => fs.stat(path, options),
    lstat: (path, options) => fs.lstat(path, options),
    async readdir(path, options) {
      const entries = await fs.readdir(path, options);
      return hooks.listed?.(path.toString(), entries) ?? entries;
    },
    async open(path, flags, mode, options) {
      await hooks.opened?.(path.toString(), flags);
      return hookedFile(await fs.open(path, flags, mode, options), hooks);
    },
  };
}

function hookedFile(file: OpenFile, hooks: Hooks): OpenFile {
  return {
    fd: file.fd,
    async stat() {
      const status = await file.stat();
      hooks.examined?.(status);
      return status;
    },
    async read(buffer, options) {
      await hooks.read?.(options.position, options.length);
      return file.read(buffer, options);
    },
    close: () => file.close(),
  };
}

function pass(fs: FileSystem, root: string, signal?: AbortSignal): Promise<Pass> {
  return makePass(fs, Buffer.from(root), {
    concurrency: 4,
    signal: signal ?? new AbortController().signal,
    exclude: [],
  });
}

function hashed(result: Pass): Record<string, string> {
  return Object.fromEntries(result.entries.map(({ path, digest }) => [path.toString(), digest]));
}

function failed(result: Pass): [string, unknown][] {
  return result.failures.map(({ error, path }) => [
    path.toString(),
    (error as NodeJS.ErrnoException).code,
  ]);
}

function onBothSides(
  title: string,
  body: (t: ExecutionContext, fs: FileSystem, folder: string) => Promise<void>,
): void {
  for (const [name, fs] of Object.entries(sides)) {
    // One after the other: one of them counts the descriptors of the process.
    test.serial(`${title} (${name})`, async (t) => body(t, fs, await cli.makeFolder(t)));
  }
}

onBothSides('a file and a folder that vanish mid-walk are failures', async (t, fs, folder) => {
  await mkdir(join(folder, 'gone'));
  await writeFile(join(folder, 'kept'), 'kept');
  await writeFile(join(folder, 'lost'), 'lost');
  const vanishing = hooked(fs, {
    listed: (path) => {
      if (path !== folder) return;
      unlinkSync(join(folder, 'lost'));
      rmSync(join(folder, 'gone'), { recursive: true });
    },
  });
  const result = await pass(vanishing, folder);
  t.deepEqual(hashed(result), { [join(folder, 'kept')]: cli.sha256('kept') });
  t.deepEqual(failed(result), [
    [join(folder, 'gone'), 'ENOENT'],
    [join(folder, 'lost'), 'ENOENT'],
  ]);
});

onBothSides('a file that became a FIFO is not read from', async (t, fs, folder) => {
  await writeFile(join(folder, 'file'), 'file');
  const changing = hooked(fs, {
    opened: (path) => {
      unlinkSync(path);
      execFileSync('mkfifo', [path]);
    },
    read: () => t.fail('it would hang'),
  });
  const result = await pass(changing, folder);
  t.like(result, { entries: [], failures: [], skipped: { fifos: 1 } });
});

onBothSides('a file that became a link is not followed', async (t, fs, folder) => {
  await writeFile(join(folder, 'file'), 'file');
  const changing = hooked(fs, {
    opened: (path) => {
      unlinkSync(path);
      symlinkSync('/etc/passwd', path);
    },
  });
  const result = await pass(changing, folder);
  t.like(result, { entries: [], failures: [], skipped: { links: 1 } });
});

onBothSides('a file that became a folder is a failure', async (t, fs, folder) => {
  await writeFile(join(folder, 'file'), 'file');
  await mkdir(join(folder, 'folder'));
  const changing = hooked(fs, {
    opened: (path) => {
      unlinkSync(path);
      renameSync(join(folder, 'folder'), path);
    },
  });
  const result = await pass(changing, folder);
  t.deepEqual(failed(result), [[join(folder, 'file'), 'EISDIR']]);
});

onBothSides('a file that grows while it is read: what was read counts', async (t, fs, folder) => {
  const path = join(folder, 'log');
  const start = Buffer.alloc(3 * 1024 * 1024, 'a');
  await writeFile(path, start);
  let grown = false;
  const growing = hooked(fs, {
    read: async (position) => {
      if (position === 0 || grown) return;
      grown = true;
      await appendFile(path, 'more');
    },
  });
  const result = await pass(growing, folder);
  t.deepEqual(hashed(result), { [path]: cli.sha256(Buffer.concat([start, Buffer.from('more')])) });
  t.is(result.bytes, start.length + 4);
});

onBothSides('a small file that grows after it was examined', async (t, fs, folder) => {
  const path = join(folder, 'log');
  await writeFile(path, 'before');
  const growing = hooked(fs, { examined: () => writeFileSync(path, 'before and after') });
  const result = await pass(growing, folder);
  t.deepEqual(hashed(result), { [path]: cli.sha256('before and after') });
});

onBothSides('a file that shrinks while it is read: what was read counts', async (t, fs, folder) => {
  const path = join(folder, 'log');
  const piece = 1024 * 1024;
  await writeFile(path, Buffer.alloc(3 * piece, 'a'));
  const shrinking = hooked(fs, {
    read: async (position) => {
      if (position > 0) await truncate(path, piece);
    },
  });
  const result = await pass(shrinking, folder);
  t.deepEqual(hashed(result), { [path]: cli.sha256(Buffer.alloc(piece, 'a')) });
});

onBothSides('no read is larger than 1 MiB, a small file takes one', async (t, fs, folder) => {
  await writeFile(join(folder, 'a-large'), Buffer.alloc(5 * 1024 * 1024 + 1));
  await writeFile(join(folder, 'b-small'), 'small');
  const lengths: number[] = [];
  const watched = hooked(fs, { read: (_, length) => void lengths.push(length) });
  const result = await pass(watched, folder);
  t.is(result.entries.length, 2);
  t.is(Math.max(...lengths), 1024 * 1024);
  t.is(lengths.filter((length) => length === 6).length, 1);
  t.is(lengths.length, 6 + 1);
});

onBothSides('a listing that does not say what its entries are', async (t, fs, folder) => {
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub/file'), 'file');
  await writeFile(join(folder, 'lost'), 'lost');
  symlinkSync('sub', join(folder, 'link'));
  const no = (): boolean => false;
  const unknown = {
    isFile: no,
    isDirectory: no,
    isSymbolicLink: no,
    isFIFO: no,
    isSocket: no,
    isBlockDevice: no,
    isCharacterDevice: no,
  };
  const vague = hooked(fs, {
    listed: (path, entries) => {
      if (path === folder) unlinkSync(join(folder, 'lost'));
      return entries.map(({ name }) => ({ name, ...unknown }));
    },
  });
  const result = await pass(vague, folder);
  t.deepEqual(hashed(result), { [join(folder, 'sub/file')]: cli.sha256('file') });
  t.deepEqual(failed(result), [[join(folder, 'lost'), 'ENOENT']]);
  t.is(result.skipped.links, 1);
});

onBothSides('a kernel that takes O_NONBLOCK on a file at its word', async (t, fs, folder) => {
  await writeFile(join(folder, 'file'), 'file');
  const flagsSeen: number[] = [];
  const literal = hooked(fs, {
    opened: (_, flags) => void flagsSeen.push(flags),
    read: async () => {
      if (((flagsSeen.at(-1) ?? 0) & constants.O_NONBLOCK) === 0) return;
      throw Object.assign(new Error('try again'), { code: 'EAGAIN' });
    },
  });
  const result = await pass(literal, folder);
  t.deepEqual(hashed(result), { [join(folder, 'file')]: cli.sha256('file') });
  t.is(flagsSeen.length, 2);
});

onBothSides('too few descriptors end the run with a hint', async (t, fs, folder) => {
  await writeFile(join(folder, 'file'), 'file');
  const poor = hooked(fs, {
    opened: () => {
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    },
  });
  await t.throwsAsync(pass(poor, folder), { message: /lower --concurrency or raise .* ulimit -n/ });
});

onBothSides(
  'an abort in the middle rejects with its reason, leaks nothing',
  async (t, fs, folder) => {
    for (let index = 0; index < 200; index += 1) {
      await writeFile(join(folder, String(index)), Buffer.alloc(100_000));
    }
    const before = (await readdir('/proc/self/fd')).length;
    const controller = new AbortController();
    let reads = 0;
    const watched = hooked(fs, {
      read: () => {
        reads += 1;
        if (reads === 100) controller.abort(new Error('enough'));
      },
    });
    await t.throwsAsync(pass(watched, folder, controller.signal), { message: 'enough' });
    t.true(reads < 200);
    t.is((await readdir('/proc/self/fd')).length, before);
  },
);

onBothSides('an abort before the start rejects with its reason', async (t, fs, folder) => {
  const signal = AbortSignal.abort(new Error('too late'));
  await t.throwsAsync(pass(fs, folder, signal), { message: 'too late' });
});

test.serial('a comparison names the first path on which the two sides differ', async (t) => {
  const folder = await cli.makeFolder(t);
  for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), name);
  const shortened = hooked(nodeFileSystem, {
    listed: (_, entries) => entries.filter(({ name }) => name.toString() !== 'b'),
  });
  const options = {
    concurrency: 2,
    signal: new AbortController().signal,
    exclude: [],
    showProgress: false,
  };
  const root = Buffer.from(folder);
  const different = await compare({ wakering: nodeFileSystem, node: shortened }, root, options);
  t.is(different.difference?.toString(), join(folder, 'b'));
  t.is(different.rounds, 1);
  const equal = await compare({ wakering: nodeFileSystem, node: nodeFileSystem }, root, options);
  t.is(equal.difference, undefined);
  // Ten of so small a folder, unless the machine is so slow that fewer take long enough.
  t.true(equal.rounds > 1 && equal.rounds <= 10, `${equal.rounds} rounds`);
  t.is(equal.ratio, equal.node.seconds / equal.wakering.seconds);
});
