// `npm run fmt`: formats both languages.

import { installPackages } from './bootstrap.mjs';
import { bin, run } from './project.mjs';

installPackages();
process.exitCode = run('cargo', ['fmt', '--all']).status || run(bin('oxfmt'), ['.']).status;
