// `npm start [-- DIRECTORY]`: builds what is missing, then hashes a directory tree through Wakering
// and through node:fs/promises, and compares. Arguments are those of `wakering hash`.

import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

bootstrap();
const args = process.argv.slice(2);
// Options that take a value, so that the value is not mistaken for the directory.
const valued = ['out', 'driver', 'concurrency'];
const { positionals, values } = parseArgs({
  args,
  strict: false,
  allowPositionals: true,
  options: Object.fromEntries(valued.map((name) => [name, { type: 'string' }])),
});
if (positionals.length === 0 && !values.help) {
  // A tree that is there after every install, and too many files for their list to be shown.
  if (values.out === undefined) args.push('--out', at('.build/node_modules.sha256'));
  args.push('node_modules');
}
// Ctrl-C reaches the program too, which has something to say about it: wait for that.
process.on('SIGINT', () => {});
process.exitCode = run(devNode, [at('dist/cli/main.js'), 'hash', ...args]).status;
