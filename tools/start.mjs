// `npm start [-- DIRECTORY]`: builds what is missing, then hashes a directory tree through Wakering
// and through node:fs/promises, and compares.

import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

bootstrap();
const args = process.argv.slice(2);
// Options that take a value, so that the value is not mistaken for the directory.
const valued = ['out', 'driver', 'concurrency'];
const { positionals } = parseArgs({
  args,
  strict: false,
  allowPositionals: true,
  options: Object.fromEntries(valued.map((name) => [name, { type: 'string' }])),
});
// This one is there after every install.
if (positionals.length === 0) args.push('node_modules/typescript');
process.exitCode = run(devNode, [at('dist/cli/main.js'), 'hash', ...args]).status;
