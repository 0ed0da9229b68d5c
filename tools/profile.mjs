// `npm run profile -- ROW [--contender NAME] [--seconds N] [--driver NAME] [--folder DIR]`: builds
// what is missing, does one row's work with one contender, writes a CPU profile of it to
// .build/profile/ and prints where the time went. `npm run bench -- --list` shows the rows.

import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

bootstrap({ tests: true });
const node = process.env.WAKERING_TEST_NODE || devNode;
const profile = at('.build/__test__/bench/profile.js');
process.exitCode = run(node, ['--expose-gc', profile, ...process.argv.slice(2)]).status;
