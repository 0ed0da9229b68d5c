// `npm run bench:core [-- OPTIONS] [ROW...]`: races the core with its peers, and prints one table.
// `npm run bench:loops [-- OPTIONS] [ROW...]`: the same for the loops, with a matrix of wakes after it.
//
//     --quick          shorter and fewer processes: one minute, or two
//     --processes N    how many processes measure each row (three times as many with several threads)
//     --list           the names of the rows, and nothing else
//     ROW              a part of the names of the rows that are wanted
//
// The peers live in a workspace of their own (`bench/runtimes`), built here on first use.

import { at, run } from './project.mjs';

const manifest = ['--release', '--manifest-path', at('bench/runtimes/Cargo.toml')];
const { status } = run('cargo', ['run', ...manifest, '--', ...process.argv.slice(2)]);
process.exitCode = status;
