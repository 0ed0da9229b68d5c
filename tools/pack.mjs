// What would be published: publint reads package.json as bundlers and Node do, and the list of
// packed files must hold what users need and nothing of ours.

import { bin, fail, run } from './project.mjs';

const lint = run(bin('publint'), ['--strict', '--pack', 'npm'], { quiet: true });
if (lint.status !== 0) fail(`publint found something\n${lint.output}`);

const packed = run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], {
  quiet: true,
});
if (packed.status !== 0) fail(`npm pack failed\n${packed.output}`);
const listing = JSON.parse(packed.output.slice(packed.output.search(/[[{]/)));
const [{ files }] = Array.isArray(listing) ? listing : Object.values(listing);
const names = files.map((file) => file.path);

const needed = [
  'package.json',
  'README.md',
  'LICENSE-MIT',
  'LICENSE-APACHE',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/fs/index.js',
  'dist/fs/index.d.ts',
  'dist/cli/main.js',
];
for (const name of needed) if (!names.includes(name)) fail(`the package lacks ${name}`);
if (!names.some((name) => name.endsWith('.node'))) fail('the package lacks its native addon');

const unwanted = names.filter((name) =>
  /^(?:__test__|tools|crates|bindings|\.)|tsbuildinfo|\.test\./.test(name),
);
if (unwanted.length > 0) fail(`the package has files that nobody needs: ${unwanted.join(', ')}`);
console.log(`${names.length} files`);
