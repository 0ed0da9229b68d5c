/**
 * What the system refuses, asked for through `node:fs/promises` and through `wakering`: prints what
 * each call came to as lines of JSON. `node refusals.js TOPIC FOLDER`; whoever starts it has made the
 * folder, and the limits.
 */

import nodeFs from 'node:fs';
import nodePromises from 'node:fs/promises';
import { join } from 'node:path';
import { Runtime } from 'wakering';

/** Both sides, as what they have in common. */
type Api = typeof nodePromises;

/** One comparison. */
export interface Comparison {
  readonly name: string;
  readonly node: unknown;
  readonly ours: unknown;
}

const [topic = '', folder = ''] = process.argv.slice(2);
const runtime = new Runtime();
const ours = runtime.fs as unknown as Api;
const at = (...names: string[]): string => join(folder, ...names);

/** Everything that a program may look at in an error. */
function errorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return { thrown: String(error) };
  const { name, message } = error;
  const { code, errno, syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  return { class: error.constructor.name, name, message, code, errno, syscall, path, dest };
}

async function outcomeOf(call: () => unknown): Promise<unknown> {
  try {
    const value = await call();
    return { value: value === undefined ? 'nothing' : value };
  } catch (error) {
    return errorOf(error);
  }
}

/** Only ours: the Node that runs this answers as no later one does. */
async function only(name: string, call: (fs: Api) => unknown): Promise<void> {
  process.stdout.write(`${JSON.stringify({ name, ours: await outcomeOf(() => call(ours)) })}\n`);
}

/** Does it on both sides, one after the other; `tidy` undoes what it may have done. */
async function compare(
  name: string,
  call: (fs: Api) => unknown,
  tidy: () => void = () => {},
): Promise<void> {
  const comparison: Comparison = {
    name,
    node: await outcomeOf(() => call(nodePromises)).finally(tidy),
    ours: await outcomeOf(() => call(ours)).finally(tidy),
  };
  process.stdout.write(`${JSON.stringify(comparison)}\n`);
}

const size = async (stats: Promise<{ size: number | bigint }>): Promise<number> =>
  Number((await stats).size);
const length = async (content: Promise<string | Buffer>): Promise<number> => (await content).length;

/** Descriptors have run out. What needs none goes on. */
async function emfile(): Promise<void> {
  const nodeFile = await nodePromises.open(at('file'), 'r+');
  const ourFile = await ours.open(at('file'), 'r+');
  const hogs: number[] = [];
  try {
    for (;;) hogs.push(nodeFs.openSync('/dev/null', 'r'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  }
  await compare('open', (fs) => fs.open(at('file')));
  await compare('open to write', (fs) => fs.open(at('new'), 'w'));
  await compare('readFile', (fs) => length(fs.readFile(at('file'))));
  await compare('writeFile', (fs) => fs.writeFile(at('new'), 'x'));
  await compare('appendFile', (fs) => fs.appendFile(at('file'), 'x'));
  await compare('truncate', (fs) => fs.truncate(at('file'), 3));
  await compare('readdir', (fs) => fs.readdir(at('folder')));
  await compare('copyFile', (fs) => fs.copyFile(at('file'), at('copy')));
  await compare('stat', (fs) => size(fs.stat(at('file'))));
  await compare('lstat', (fs) => size(fs.lstat(at('file'))));
  await compare('stat of nothing', (fs) => fs.stat(at('nothing')));
  await compare('access', (fs) => fs.access(at('file')));
  await compare('readlink', (fs) => fs.readlink(at('link')));
  await compare('realpath', (fs) => fs.realpath(at('link')));
  await compare(
    'mkdir',
    (fs) => fs.mkdir(at('made')),
    () => nodeFs.rmdirSync(at('made')),
  );
  const sideOf = (fs: Api): typeof nodeFile => (fs === nodePromises ? nodeFile : ourFile);
  const buffer = Buffer.alloc(1 << 20);
  await compare('a small read', async (fs) => {
    return (await sideOf(fs).read(buffer, 0, 100, 0)).bytesRead;
  });
  await compare('a large read', async (fs) => {
    return (await sideOf(fs).read(buffer, 0, buffer.length, 0)).bytesRead;
  });
  await compare('a large write', async (fs) => {
    return (await sideOf(fs).write(buffer, 0, buffer.length, 0)).bytesWritten;
  });
  // There is no such thing in Node: its error is what the system says.
  await only('a runtime', () => new Runtime());
  for (const hog of hogs) nodeFs.closeSync(hog);
  await compare('readFile afterwards', (fs) => length(fs.readFile(at('file'))));
  await compare('readdir afterwards', (fs) => fs.readdir(at('folder')));
  await nodeFile.close();
  await ourFile.close();
}

/** A file system of 64 KiB and a few files is full. */
async function enospc(): Promise<void> {
  const data = Buffer.alloc(1 << 20, 1);
  const forget = (): void => nodeFs.rmSync(at('big'), { force: true });
  await compare('writeFile', (fs) => fs.writeFile(at('big'), data), forget);
  await compare('writeFile of text', (fs) => fs.writeFile(at('big'), 'x'.repeat(200_000)), forget);
  await compare(
    'what writeFile leaves',
    async (fs) => {
      await fs.writeFile(at('big'), data).catch(() => {});
      return nodeFs.statSync(at('big')).size;
    },
    forget,
  );
  await compare(
    'write',
    async (fs) => {
      const file = await fs.open(at('big'), 'w');
      try {
        const first = await file.write(data);
        return [first.bytesWritten, await outcomeOf(() => file.write(data))];
      } finally {
        await file.close();
      }
    },
    forget,
  );
  await compare('copyFile', (fs) => fs.copyFile('/proc/self/exe', at('big')), forget);
  const names: string[] = [];
  try {
    for (;;) {
      const name = at(`filler${names.length}`);
      nodeFs.mkdirSync(name);
      names.push(name);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  await compare('open of a new file', (fs) => fs.open(at('one-more'), 'w'));
  await compare('mkdir', (fs) => fs.mkdir(at('one-more')));
  await compare('mkdir recursive', (fs) => fs.mkdir(at('one/more'), { recursive: true }));
  await compare('symlink', (fs) => fs.symlink('target', at('one-more')));
  await compare('mkdtemp', async (fs) => {
    const error = (await outcomeOf(() => fs.mkdtemp(at('one-')))) as { code?: string };
    return error.code;
  });
}

/** A device that is always full needs no mount. */
async function full(): Promise<void> {
  await compare('writeFile', (fs) => fs.writeFile('/dev/full', 'x'));
  await compare('appendFile', (fs) => fs.appendFile('/dev/full', 'x'.repeat(300_000)));
  for (const bytes of [1, 4096, 70_000, 1 << 20]) {
    await compare(`write of ${bytes}`, async (fs) => {
      const file = await fs.open('/dev/full', 'w');
      try {
        return (await file.write(Buffer.alloc(bytes))).bytesWritten;
      } finally {
        await file.close();
      }
    });
  }
}

/** Somebody without the right to. */
async function eacces(): Promise<void> {
  await compare('open', (fs) => fs.open(at('private')));
  await compare('open to write', (fs) => fs.open(at('readonly'), 'r+'));
  await compare('readFile', (fs) => fs.readFile(at('private')));
  await compare('writeFile', (fs) => fs.writeFile(at('readonly'), 'x'));
  await compare('writeFile of a new file', (fs) => fs.writeFile(at('fixed/new'), 'x'));
  await compare('readdir', (fs) => fs.readdir(at('locked')));
  await compare('stat below', (fs) => fs.stat(at('locked/file')));
  await compare('stat below, again', (fs) => fs.stat(at('locked/file')));
  await compare('open below', (fs) => fs.open(at('locked/file')));
  await compare('access to read', (fs) => fs.access(at('private'), nodeFs.constants.R_OK));
  await compare('access to write', (fs) => fs.access(at('readonly'), nodeFs.constants.W_OK));
  await compare('mkdir', (fs) => fs.mkdir(at('fixed/new')));
  await compare('mkdir recursive', (fs) => fs.mkdir(at('fixed/a/b'), { recursive: true }));
  await compare('rename', (fs) => fs.rename(at('fixed/file'), at('fixed/other')));
  await compare('unlink', (fs) => fs.unlink(at('fixed/file')));
  await compare('rmdir', (fs) => fs.rmdir(at('fixed/empty')));
  await compare('rm', (fs) => fs.rm(at('fixed'), { recursive: true }));
  await compare('symlink', (fs) => fs.symlink('file', at('fixed/link')));
  await compare('link', (fs) => fs.link(at('fixed/file'), at('fixed/other')));
  await compare('copyFile from', (fs) => fs.copyFile(at('private'), at('fixed/copy')));
  await compare('copyFile to', (fs) => fs.copyFile(at('fixed/file'), at('fixed/copy')));
  await compare('readlink', (fs) => fs.readlink(at('locked/link')));
  await compare('realpath', (fs) => fs.realpath(at('locked/link')));
  await compare('truncate', (fs) => fs.truncate(at('readonly'), 1));
}

/** Names and files that do not fit what is asked of them. */
async function various(): Promise<void> {
  const long = 'x'.repeat(256);
  const longPath = (bytes: number): string => `/${'a/'.repeat(bytes / 2)}b`;
  const { O_NONBLOCK, O_WRONLY } = nodeFs.constants;
  // Before Node 26 the error did not name the folder.
  const readFolder = Number(process.versions.node.split('.')[0]) < 26 ? only : compare;
  await readFolder('EISDIR: readFile', (fs) => fs.readFile(at('folder')));
  await compare('EISDIR: open to write', (fs) => fs.open(at('folder'), 'w'));
  await compare('EISDIR: writeFile', (fs) => fs.writeFile(at('folder'), 'x'));
  await compare('EISDIR: unlink', (fs) => fs.unlink(at('folder')));
  await compare('EISDIR: rename', (fs) => fs.rename(at('file'), at('folder')));
  await compare('EISDIR: read', async (fs) => {
    const file = await fs.open(at('folder'));
    return outcomeOf(() => file.read(Buffer.alloc(8), 0, 8, 0)).finally(() => file.close());
  });
  await compare('ENOTDIR: open', (fs) => fs.open(at('file/below')));
  await compare('ENOTDIR: readdir', (fs) => fs.readdir(at('file')));
  await compare('ENOTDIR: rmdir', (fs) => fs.rmdir(at('file')));
  await compare('ENOTDIR: mkdir', (fs) => fs.mkdir(at('file/below')));
  await compare('ENOTEMPTY: rmdir', (fs) => fs.rmdir(at('.')));
  await compare('ENOTEMPTY: rename', (fs) => fs.rename(at('folder'), at('full')));
  await compare('EEXIST: mkdir', (fs) => fs.mkdir(at('folder')));
  await compare('EEXIST: open', (fs) => fs.open(at('file'), 'wx'));
  await compare('EEXIST: link', (fs) => fs.link(at('file'), at('folder')));
  await compare('EEXIST: symlink', (fs) => fs.symlink('file', at('link')));
  await compare('EEXIST: copyFile', (fs) => fs.copyFile(at('file'), at('link'), 1));
  await compare('ELOOP: open', (fs) => fs.open(at('loop')));
  await compare('ELOOP: open, again', (fs) => fs.open(at('loop')));
  await compare('ELOOP: stat', (fs) => fs.stat(at('loop')));
  await compare('ELOOP: realpath', (fs) => fs.realpath(at('loop')));
  await compare('ELOOP: O_NOFOLLOW', (fs) => fs.open(at('link'), nodeFs.constants.O_NOFOLLOW));
  await compare('ENAMETOOLONG: open', (fs) => fs.open(at(long)));
  await compare('ENAMETOOLONG: mkdir', (fs) => fs.mkdir(at(long)));
  await compare('ENAMETOOLONG: rename', (fs) => fs.rename(at('file'), at(long)));
  for (const bytes of [4096, 5000, 20_000, 100_000]) {
    await compare(`ENAMETOOLONG: open of ${bytes}`, (fs) => fs.open(longPath(bytes)));
    await compare(`ENAMETOOLONG: open of a Buffer of ${bytes}`, (fs) =>
      fs.open(Buffer.from(longPath(bytes))),
    );
    await compare(`ENAMETOOLONG: stat of ${bytes}`, (fs) => fs.stat(longPath(bytes)));
    await compare(`ENAMETOOLONG: rename of ${bytes}`, (fs) =>
      fs.rename(at('file'), longPath(bytes)),
    );
    await compare(`ENAMETOOLONG: symlink to ${bytes}`, (fs) =>
      fs.symlink(longPath(bytes), at('new')),
    );
    await compare(`ENAMETOOLONG: readdir of ${bytes}`, (fs) => fs.readdir(longPath(bytes)));
  }
  await compare('a long path among many', (fs) =>
    Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        outcomeOf(async () => {
          const name = index % 4 === 3 ? longPath(14_000) : at('folder', 'n'.repeat(200));
          const file = await fs.open(name);
          await file.close();
        }),
      ),
    ),
  );
  await compare('EINVAL: readlink', (fs) => fs.readlink(at('file')));
  await compare('EINVAL: rename', (fs) => fs.rename(at('full'), at('full/below')));
  await compare('ENOENT: open', (fs) => fs.open(at('nothing')));
  await compare('ENOENT: open of a dead link', (fs) => fs.open(at('dead')));
  await compare('ENOENT: an empty path', (fs) => fs.open(''));
  await compare('ENOENT: rename', (fs) => fs.rename(at('nothing'), at('new')));
  await compare('EPERM: link of a folder', (fs) => fs.link(at('folder'), at('new')));
  await compare('EXDEV: rename', (fs) => fs.rename(at('file'), '/proc/self/file'));
  await compare('ETXTBSY: open', (fs) => fs.open('/proc/self/exe', 'r+'));
  await compare('ENXIO: open of a FIFO', (fs) => fs.open(at('fifo'), O_WRONLY | O_NONBLOCK));
  await compare('EBADF: write to what is open to read', async (fs) => {
    const file = await fs.open(at('file'));
    return outcomeOf(() => file.write('x')).finally(() => file.close());
  });
  await compare('EBADF: read of what is open to write', async (fs) => {
    const file = await fs.open(at('file'), 'r+').then(async (file) => {
      await file.close();
      return fs.open(at('file'), 'a');
    });
    return outcomeOf(() => file.read(Buffer.alloc(8), 0, 8, 0)).finally(() => file.close());
  });
  await compare('ESPIPE: a position on a FIFO', async (fs) => {
    const file = await fs.open(at('fifo'), 'r+');
    return outcomeOf(() => file.read(Buffer.alloc(8), 0, 8, 0)).finally(() => file.close());
  });
  await compare('EINVAL: truncate of a FIFO', async (fs) => {
    const file = await fs.open(at('fifo'), 'r+');
    return outcomeOf(() => file.truncate(1)).finally(() => file.close());
  });
  for (const bytes of [4096, 1 << 20]) {
    await compare(`EFBIG: write of ${bytes} beyond the limit`, async (fs) => {
      const file = await fs.open(at('file'), 'r+');
      const write = (): unknown => file.write(Buffer.alloc(bytes), 0, bytes, 1 << 30);
      return outcomeOf(write).finally(() => file.close());
    });
  }
  await compare('EFBIG: truncate', (fs) => fs.truncate(at('file'), 1 << 30));
  await compare('EPIPE: write to a FIFO that nobody reads', async (fs) => {
    const reader = nodeFs.openSync(at('fifo'), nodeFs.constants.O_RDONLY | O_NONBLOCK);
    const file = await fs.open(at('fifo'), O_WRONLY);
    nodeFs.closeSync(reader);
    return outcomeOf(() => file.write('x')).finally(() => file.close());
  });
}

const topics: Record<string, () => Promise<void>> = { emfile, enospc, full, eacces, various };
const run = topics[topic];
if (run === undefined) throw new Error(`no topic ${topic}`);
await run();
await runtime.close();
