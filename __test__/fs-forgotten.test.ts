/** What a program forgets or takes away: handles that nobody closes, data that is gone before it is written. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Runtime } from 'wakering';
import { descriptors, eventually, newDescriptors } from './support/counts.ts';
import { makeFolder, nextTurn } from './support/fixtures.ts';

test.serial('a handle that nobody can reach is closed, with a warning', async (t) => {
  const path = join(await makeFolder(t), 'file');
  writeFileSync(path, 'content');
  await using runtime = new Runtime();
  await runtime.fs.readFile(path);
  const held = descriptors();
  const warnings: string[] = [];
  const listener = (warning: Error & { code?: string }): void => {
    if (warning.code === 'WAKERING_FORGOTTEN_HANDLE') warnings.push(warning.message);
  };
  process.on('warning', listener);
  t.teardown(() => process.off('warning', listener));
  for (let count = 0; count < 20; count += 1) await runtime.fs.open(path);
  const kept = await runtime.fs.open(path);
  await eventually(
    () => {
      globalThis.gc?.();
      return runtime.metrics().openFiles;
    },
    (openFiles) => openFiles === 1,
  );
  t.is(await kept.readFile('utf8'), 'content', 'one that is in use stays open');
  await kept.close();
  await nextTurn();
  t.is(warnings.length, 20);
  t.regex(warnings[0] ?? '', /was not closed/);
  t.deepEqual(await newDescriptors(held), []);
});

for (const bytes of [100, 600_000]) {
  for (const method of ['writeFile', 'appendFile'] as const) {
    test(`${method} of ${bytes} bytes that are detached meanwhile is no success`, async (t) => {
      const path = join(await makeFolder(t), 'file');
      await using runtime = new Runtime();
      const data = new Uint8Array(bytes).fill(1);
      const write = runtime.fs[method](path, data);
      data.buffer.transfer();
      await t.throwsAsync(write, {
        code: 'ERR_INVALID_STATE',
        message: /detached or made smaller/,
      });
      t.true(!existsSync(path) || readFileSync(path).length < bytes);
    });
  }
}

test('a writeFile of nothing writes nothing, successfully', async (t) => {
  const path = join(await makeFolder(t), 'file');
  await using runtime = new Runtime();
  await runtime.fs.writeFile(path, new Uint8Array(0));
  t.is(readFileSync(path).length, 0);
});
