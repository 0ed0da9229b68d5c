// `npm run test:kernels [-- options] [KERNEL ...]`: builds what is missing, then runs the tests in
// guests (tools/kernels.ts, which needs the Node that the build has installed by then).

import { bootstrap } from './bootstrap.mjs';
import { at, devNode, run } from './project.mjs';

// Asking for help should not build anything; without a build there is no Node for the rest.
if (!process.argv.includes('--help')) bootstrap({ tests: true });
process.exitCode = run(devNode, [at('tools/kernels.ts'), ...process.argv.slice(2)]).status;
