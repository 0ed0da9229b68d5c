// `npm run test:matrix [-- KERNEL ...]`: every op in every situation, on every driver, as tables. Here,
// or in guests (tools/kernels-matrix.ts, which needs the Node that npm installs).

import { installPackages } from './bootstrap.mjs';
import { at, devNode, fail, run } from './project.mjs';

const packages = ['wakering-core', 'wakering-poll-loop', 'wakering-uring-loop'];
const kernels = process.argv.slice(2);

/** The compiled tests: cargo says where they lie. */
function programs() {
  const chosen = packages.flatMap((name) => ['-p', name]);
  const args = ['test', ...chosen, '--test', 'conformance_matrix', '--no-run'];
  const { status, output } = run('cargo', [...args, '--message-format=json'], { quiet: true });
  if (status !== 0) fail(`cargo test failed\n${output}`, status);
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line).executable).filter(Boolean);
}

if (kernels.length > 0) {
  installPackages();
  const guests = [at('tools/kernels-matrix.ts'), kernels.join(' '), ...programs()];
  process.exitCode = run(devNode, guests).status;
} else {
  const tests = ['--nocapture', '--test-threads=1'];
  const ended = programs().map((program) => run(program, tests).status);
  process.exitCode = Math.max(...ended);
}
