// `npm run bench [-- --quick]`: builds what is missing, then runs the benches against node:fs/promises.

import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

bootstrap({ tests: true });
const bench = at('.build/__test__/bench/main.js');
process.exitCode = run(devNode, ['--expose-gc', bench, ...process.argv.slice(2)]).status;
