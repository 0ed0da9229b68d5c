// `npm run bench [-- OPTIONS]`: builds what is missing, then runs the benches.
//
//     --quick          every row, with smaller files and fewer rounds: under two minutes
//     --driver NAME    poll, uring or auto
//     --folder DIR     where the files are made: another file system, a mount of a container
//     --rows ROW,...   these only: whole names, or what stands before their dash
//     --list           the names of the rows
//
// WAKERING_TEST_NODE runs them under another Node than the development dependency, which takes part
// as a peer then. `npm run bench:peers` installs the other peers.

import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

bootstrap({ tests: true });
const node = process.env.WAKERING_TEST_NODE || devNode;
const bench = at('.build/__test__/bench/main.js');
process.exitCode = run(node, ['--expose-gc', bench, ...process.argv.slice(2)]).status;
