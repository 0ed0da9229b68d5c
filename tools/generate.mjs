// `npm run generate`: writes the files that come from crates/core/src/abi.rs anew. The same test
// without the variable, as `npm run ok` runs it, fails when a file differs.

import { run } from './project.mjs';

const args = ['test', '--quiet', '-p', 'wakering-core', '--test', 'generated'];
process.exitCode = run('cargo', args, { env: { WAKERING_GENERATE: '1' } }).status;
