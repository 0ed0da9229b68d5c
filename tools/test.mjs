// `npm test [-- arguments for ava]`: builds what is missing, then runs the tests: those in Rust, which
// know no Node and take each driver, and then those in TypeScript. With arguments, or where a variant of
// the latter is asked for, only these; where io_uring is refused, also those of the runtime in Rust.
//
// WAKERING_TEST_NODE  runs them under another Node than the development dependency.
// WAKERING_TEST_REFUSE  runs them where every io_uring call fails: eperm, enosys or eacces.
// WAKERING_TALLY      a file that gets one line of JSON about this run, for tools/tally.mjs.

import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { bootstrap } from './bootstrap.mjs';
import { at, devNode, fail, root, run } from './project.mjs';
import { countsOf } from './tally.mjs';

bootstrap({ tests: true });
const node = process.env.WAKERING_TEST_NODE || devNode;
const ava = [at('node_modules/ava/entrypoints/cli.js'), ...process.argv.slice(2)];
const version = run(node, ['--version'], { quiet: true });
if (version.status !== 0) fail(`WAKERING_TEST_NODE=${node} does not run: ${version.output}`);

const refusal = process.env.WAKERING_TEST_REFUSE;
const variant = refusal || process.env.WAKERING_TEST_NODE || process.env.WAKERING_DRIVER;
if (!variant && process.argv.length === 2) {
  const { status } = run('cargo', ['test', '--quiet', '--workspace']);
  if (status !== 0) fail('the tests in Rust failed', status);
}
if (refusal && process.argv.length === 2) {
  const rust = ['cargo', 'test', '--quiet', '--package', 'wakering'];
  const { command, args } = await refused(refusal, rust);
  const { status } = run(command, args);
  if (status !== 0) fail(`the tests of the runtime in Rust failed (${refusal})`, status);
}
const tests = [node, ...ava];
const { command, args } = refusal ? await refused(refusal, tests) : { command: node, args: ava };
if (process.env.WAKERING_TALLY) {
  const { status, output } = await echoed(command, args);
  const driver = process.env.WAKERING_DRIVER ?? (refusal ? `refused (${refusal})` : 'default');
  const line = { node: version.output.trim(), driver, status, ...countsOf(output) };
  appendFileSync(process.env.WAKERING_TALLY, `${JSON.stringify(line)}\n`);
  process.exitCode = status;
} else {
  process.exitCode = run(command, args).status;
}

/** Tests, started by the launcher that those in TypeScript use themselves. */
async function refused(refusal, tests) {
  const { refuseUring } = await import(at('.build/__test__/support/launch.js'));
  return refuseUring(refusal, tests);
}

/** Runs a command, shows its output as it comes and returns it too. */
function echoed(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ status: code ?? 1, output }));
  });
}
