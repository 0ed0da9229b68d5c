/** Importing works everywhere; where the addon cannot be had, the first use says why and what to do. */

import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { makeFolder } from './support/fixtures.ts';
import { projectRoot, run } from './support/launch.ts';
import { runProgram } from './support/program.ts';

/** Imports everything, then uses each thing once; what a user sees is a line each. */
const FIRST_USE = `
  const { LoadError, Runtime, defaultRuntime } = await import('wakering');
  const fs = await import('wakering/fs');
  console.log('imported');
  const say = (error) => console.log(
    error instanceof LoadError, error.name, error.code, error.message);
  try { new Runtime(); } catch (error) { say(error); }
  try { defaultRuntime(); } catch (error) { say(error); }
  await fs.readFile('package.json').catch(say);
`;

/** What the three uses said: the same each time. */
async function firstUse(
  t: ExecutionContext,
  before: string,
  nodeArguments: readonly string[] = [],
  cwd: string = projectRoot,
): Promise<string> {
  const { status, stdout, stderr } = await runProgram(`${before}${FIRST_USE}`, nodeArguments, {
    cwd,
  });
  t.is(status, 0, stderr);
  const [imported, ...said] = stdout.trimEnd().split('\n');
  t.is(imported, 'imported');
  t.is(said.length, 3);
  t.is(new Set(said).size, 1);
  const prefix = 'true LoadError ERR_WAKERING_LOAD ';
  t.true(said[0]?.startsWith(prefix), said[0]);
  return said[0]?.slice(prefix.length) ?? '';
}

test('--permission without --allow-addons is named, with what to add', async (t) => {
  const message = await firstUse(t, '', ['--permission', '--allow-fs-read=*']);
  t.is(message, "wakering's native addon is refused by --permission: add --allow-addons");
});

test('--permission with --allow-addons runs', async (t) => {
  const source = `
    import { readFile } from 'wakering/fs';
    console.log((await readFile('package.json', 'utf8')).length > 0);
  `;
  const allowed = ['--permission', '--allow-fs-read=*', '--allow-addons'];
  const { stdout } = await runProgram(source, allowed);
  t.is(stdout, 'true\n');
});

test('another platform is named', async (t) => {
  for (const platform of ['darwin', 'win32']) {
    const fake = `Object.defineProperty(process, 'platform', { value: '${platform}' });`;
    const message = await firstUse(t, fake);
    t.is(message, `wakering runs on Linux only, and this is ${platform}`);
  }
});

test('Bun is named', async (t) => {
  const fake = "Object.defineProperty(process.versions, 'bun', { value: '1.4.5' });";
  const message = await firstUse(t, fake);
  t.regex(message, /Bun has its own loop: run it with Node\.js/);
});

test('an architecture without an addon is named, with the file that is missing', async (t) => {
  const message = await firstUse(
    t,
    "Object.defineProperty(process, 'arch', { value: 'riscv64' });",
  );
  t.regex(
    message,
    /no native addon for this platform \(wakering\.linux-riscv64-(?:gnu|musl)\.node\)/,
  );
  t.regex(message, /npm run build/);
});

/** The package as npm would install it, in a folder of its own. */
async function installed(t: ExecutionContext): Promise<{ folder: string; native: string }> {
  const folder = await makeFolder(t);
  const target = join(folder, 'node_modules/wakering');
  mkdirSync(target, { recursive: true });
  for (const part of ['package.json', 'dist', 'native']) {
    cpSync(join(projectRoot, part), join(target, part), { recursive: true });
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return { folder, native: join(target, 'native') };
}

function addonName(native: string): string {
  const name = readdirSync(native).find((file) => file.endsWith('.node'));
  if (name === undefined) throw new Error(`no addon in ${native}`);
  return name;
}

test('an installed copy runs from elsewhere', async (t) => {
  const { folder } = await installed(t);
  const source = `
    import { readFile } from 'wakering/fs';
    console.log(await readFile('package.json', 'utf8'));
  `;
  const { stdout, stderr } = await runProgram(source, [], { cwd: folder });
  t.is(stdout + stderr, '{ "type": "module" }\n');
});

test('a missing addon is named, with what to do', async (t) => {
  const { folder, native } = await installed(t);
  const name = addonName(native);
  rmSync(native, { recursive: true });
  const message = await firstUse(t, '', [], folder);
  t.is(
    message,
    `wakering has no native addon for this platform (${name}): build it with 'npm run build'`,
  );
});

test('an addon that is no library is named, with what the loader said', async (t) => {
  const { folder, native } = await installed(t);
  const name = addonName(native);
  writeFileSync(
    join(native, name),
    'not a library, but long enough to be looked at as one: '.repeat(9),
  );
  const message = await firstUse(t, '', [], folder);
  t.true(message.startsWith(`cannot load ${name}: `), message);
  t.regex(message, /invalid ELF header/);
});

test('without WebAssembly the reason is --jitless', async (t) => {
  const source = `
    import { Runtime } from 'wakering';
    try { new Runtime(); } catch (error) { console.log(error.message); }
  `;
  const { status, stdout } = await runProgram(source, ['--jitless']);
  t.is(status, 0);
  t.regex(stdout, /no WebAssembly: start Node without --jitless/);
});

test('require works, and gives the same classes as import', async (t) => {
  const source = `
    const { Runtime, Op } = require('wakering');
    const { readFile } = require('wakering/fs');
    const main = async () => {
      const imported = await import('wakering');
      console.log(imported.Runtime === Runtime, imported.Op === Op);
      const runtime = new Runtime();
      await runtime.ops.nop();
      await runtime.close();
      console.log((await readFile('package.json', 'utf8')).length > 0);
    };
    main();
  `;
  const args = ['--input-type=commonjs', '-e', source];
  const { status, stdout, stderr } = await run({ command: process.execPath, args });
  t.is(status, 0, stderr);
  t.is(stdout, 'true true\ntrue\n');
});

test('importing loads no addon, opens nothing and starts no thread', async (t) => {
  const source = `
    import { readdirSync, readFileSync } from 'node:fs';
    const count = (what) => readdirSync('/proc/self/' + what).length;
    const look = () => ({
      fds: count('fd'),
      threads: count('task'),
      addon: readFileSync('/proc/self/maps', 'utf8').includes('.node'),
    });
    // What loading any module keeps is not ours.
    await import('node:test');
    const before = look();
    await import('wakering');
    await import('wakering/fs');
    const after = look();
    console.log(JSON.stringify(after) === JSON.stringify(before), after.addon);
  `;
  const { stdout, stderr } = await runProgram(source);
  t.is(stdout + stderr, 'true false\n');
});
