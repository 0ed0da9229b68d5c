/** What the system refuses, told as Node tells it: no room, no descriptors, no permission. */

import nodeFs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { confine, launchObstacle, run, skip } from './support/launch.js';
import type { Command } from './support/launch.js';
import { same } from './support/same-as-node.js';

const folder = nodeFs.mkdtempSync(path.join(os.tmpdir(), 'wakering-limits-'));
nodeFs.chmodSync(folder, 0o755);
test.after.always(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

const anyUser = 65_534;

/**
 * A program that makes each call through Node's and through ours and prints what both say; `calls`
 * are expressions that use `fs` and `folder`.
 */
function program(place: string, calls: readonly string[]): string {
  return `
    import nodePromises from 'node:fs/promises';
    import whole from ${JSON.stringify(import.meta.resolve('wakering/fs'))};
    const folder = ${JSON.stringify(place)};
    const errorOf = ({ name, message, code, errno, syscall, path, dest }) =>
      ({ name, message, code, errno, syscall, path, dest });
    const calls = [${calls.map((call) => `async (fs) => ${call}`).join(',\n')}];
    for (const call of calls) {
      const said = [];
      for (const fs of [nodePromises, whole]) {
        said.push(await call(fs).then((value) => ({ value }), errorOf));
      }
      console.log(JSON.stringify(said));
    }`;
}

/** Runs a program in a place of its own and gives the pairs that it prints. */
async function pairs(
  place: string,
  calls: readonly string[],
  command: (argv: readonly string[]) => Command,
): Promise<[unknown, { code?: string }][]> {
  const argv = [process.execPath, '--input-type=module', '-e', program(place, calls)];
  const { status, signal, stdout, stderr } = await run(command(argv));
  if (status !== 0) throw new Error(`it ended with ${status ?? signal}: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as [unknown, { code?: string }]);
}

same('a device that is full', [
  ['refuses writeFile', (fs) => fs.writeFile('/dev/full', 'x')],
  ['refuses a large writeFile', (fs) => fs.writeFile('/dev/full', Buffer.alloc(2_000_000))],
  ['refuses appendFile', (fs) => fs.appendFile('/dev/full', 'x')],
  [
    'refuses write, text and bytes',
    async (fs) => {
      const handle = await fs.open('/dev/full', 'w');
      const outcomes = await Promise.allSettled([handle.write('x'), handle.write(Buffer.alloc(9))]);
      await handle.close();
      return outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message);
    },
  ],
]);

test('EACCES and EPERM come as Node says them', async (t) => {
  const obstacle = launchObstacle(anyUser);
  if (obstacle !== undefined) return skip(t, obstacle);
  const closed = path.join(folder, 'closed');
  nodeFs.mkdirSync(path.join(closed, 'inner'), { recursive: true });
  nodeFs.writeFileSync(path.join(closed, 'file'), 'x');
  nodeFs.writeFileSync(path.join(folder, 'secret'), 'x', { mode: 0o600 });
  nodeFs.chmodSync(closed, 0o700);
  const found = await pairs(
    folder,
    [
      'fs.readFile(`${folder}/secret`)',
      'fs.open(`${folder}/secret`, "r+")',
      'fs.access(`${folder}/secret`, 4)',
      'fs.access(`${folder}/secret`)',
      'fs.stat(`${folder}/closed/file`)',
      'fs.lstat(`${folder}/closed/file`)',
      'fs.readdir(`${folder}/closed`)',
      'fs.realpath(`${folder}/closed/file`)',
      'fs.readlink(`${folder}/closed/file`)',
      'fs.writeFile(`${folder}/fresh`, "x")',
      'fs.mkdir(`${folder}/fresh`)',
      'fs.mkdir(`${folder}/fresh/one`, { recursive: true })',
      'fs.mkdir(`${folder}/closed/one/two`, { recursive: true })',
      'fs.unlink(`${folder}/secret`)',
      'fs.rm(`${folder}/secret`)',
      'fs.rm(`${folder}/closed/file`, { force: true })',
      'fs.rm(`${folder}/closed`, { recursive: true })',
      'fs.rmdir(`${folder}/closed`)',
      'fs.rename(`${folder}/secret`, `${folder}/other`)',
      'fs.link(`${folder}/secret`, `${folder}/other`)',
      'fs.symlink("x", `${folder}/other`)',
      'fs.copyFile(`${folder}/secret`, "/dev/null")',
      'fs.truncate(`${folder}/secret`)',
    ],
    (argv) => confine({ user: anyUser }, argv),
  );
  t.is(found.length, 23);
  for (const [theirs, mine] of found) t.deepEqual(mine, theirs as never);
  const codes = new Set(found.map(([, mine]) => mine.code));
  t.true(codes.has('EACCES'), [...codes].join());
});

test('EMFILE comes as Node says it, and what was opened can be used on', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const fill = `(async () => {
    const handles = [];
    let failure;
    while (failure === undefined) {
      try { handles.push(await fs.open('/dev/null')); } catch (error) { failure = error; }
    }
    const others = await Promise.all([
      fs.readFile(process.execPath), fs.readdir(folder), fs.copyFile('/dev/null', folder + '/x'),
    ].map((promise) => promise.then(() => 'done', errorOf)));
    const { bytesRead } = await handles[0].read();
    await Promise.all(handles.map((handle) => handle.close()));
    const again = (await fs.readFile('/proc/version')).length > 0;
    return { failure: errorOf(failure), others, bytesRead, again };
  })()`;
  const found = await pairs(folder, [fill], (argv) => confine({ files: 90 }, argv));
  const [[theirs, mine]] = found as [[{ value: object }, { value: object }]];
  t.deepEqual(mine, theirs);
  t.like(mine.value, { failure: { code: 'EMFILE', syscall: 'open' }, again: true });
});

test('ENOSPC of a full file system comes as Node says it', async (t) => {
  const place = path.join(folder, 'small');
  nodeFs.mkdirSync(place);
  const mount = `mount -t tmpfs -o size=64k,nr_inodes=8 tmpfs ${place} && exec "$@"`;
  const command = (argv: readonly string[]): Command => ({
    command: 'unshare',
    args: ['--mount', 'sh', '-c', mount, 'sh', ...argv],
  });
  const trial = await run(command(['true'])).catch((error: Error) => ({
    status: 1,
    stderr: error.message,
  }));
  if (trial.status !== 0) return skip(t, `no file system may be mounted here: ${trial.stderr}`);
  const found = await pairs(
    place,
    [
      'fs.writeFile(`${folder}/big`, Buffer.alloc(200_000)).finally(() => fs.rm(`${folder}/big`))',
      'fs.appendFile(`${folder}/big`, Buffer.alloc(200_000)).finally(() => fs.rm(`${folder}/big`))',
      'fs.copyFile(process.execPath, `${folder}/copy`)',
      'fs.readdir(folder)',
      `(async () => {
        let made = 0;
        for (;;) {
          try { await fs.mkdir(folder + '/d' + made); made += 1; }
          catch (error) { return [made, errorOf(error)]; }
          finally { if (made > 20) break; }
        }
      })().finally(async () => {
        for (const name of await fs.readdir(folder)) await fs.rm(folder + '/' + name, { recursive: true });
      })`,
    ],
    command,
  );
  for (const [theirs, mine] of found) t.deepEqual(mine, theirs as never);
  t.is(found[0]?.[1].code, 'ENOSPC');
});
