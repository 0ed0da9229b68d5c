// `npm run ok`: everything a contributor runs, one after the other; the first failure stops it.
// `npm run ok:deep` adds what takes longer: loom, shuttle, AddressSanitizer, the suite on the other driver.
//
// A step is a line; its output is shown when it fails, or always with `-- --verbose`.

import { existsSync } from 'node:fs';
import { buildAddon, compile, installPackages } from './bootstrap.mjs';
import { at, bin, devNode, duration, fail, run, say } from './project.mjs';

const deep = process.argv.includes('--deep');
const verbose = process.argv.includes('--verbose');
const warningsAreErrors = { RUSTDOCFLAGS: '-D warnings' };

const steps = [
  ['npm packages', () => installPackages()],
  ['house rules', node('tools/tidy.mjs')],
  ['format of Rust', command('cargo', ['fmt', '--all', '--check', '--', '--color', 'never'])],
  ['format of TypeScript and the rest', command(bin('oxfmt'), ['--check', '.'])],
  ['lint of TypeScript', command(bin('oxlint'), ['--deny-warnings'])],
  ['lint of Rust', cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings')],
  ['native addon', () => buildAddon()],
  ['types', () => compile('__test__')],
  ['types of the tools', command(bin('tsc'), ['-p', 'tools'])],
  ['Rust documentation', cargo('doc', '--workspace', '--no-deps', '--document-private-items')],
  ['TypeScript documentation and its examples', node('tools/docs.mjs')],
  ['npm package', node('tools/pack.mjs')],
  ['tests', node('tools/test.mjs'), testSummary],
];

const deepSteps = [
  [
    'models of the Rust core: loom and shuttle',
    command(process.execPath, [at('tools/prove.mjs'), 'loom', 'shuttle']),
  ],
  ['AddressSanitizer over the Rust tests', addressSanitizer],
  ['tests on the poll driver', node('tools/test.mjs'), testSummary, { WAKERING_DRIVER: 'poll' }],
];

for (const step of deep ? [...steps, ...deepSteps] : steps) perform(...step);
say(`✔ all of ${deep ? 'ok:deep' : 'ok'} passed`);

/** Runs one step and says how it went; `summary` picks what of its output is worth a line. */
function perform(name, action, summary = () => [], env = {}) {
  say(`▸ ${name}`);
  const begin = performance.now();
  const { status = 0, output = '', skipped } = action(env) ?? {};
  if (skipped) return say(`  skipped: ${skipped}`);
  if (status !== 0) fail(`${name} failed\n${verbose ? '' : output}`, status);
  for (const line of summary(output)) say(`  ${line}`);
  say(`  ${duration(performance.now() - begin)}`);
}

function command(program, args) {
  return (env) => run(program, args, { quiet: !verbose, env: { ...warningsAreErrors, ...env } });
}

function node(script) {
  return (env) => command(existsSync(devNode) ? devNode : process.execPath, [at(script)])(env);
}

function cargo(...args) {
  return command('cargo', args);
}

/** Other flags need another target folder, or every switch would build everything anew. */
function cargoIn(folder, ...args) {
  return (env) => command('cargo', args)({ ...env, CARGO_TARGET_DIR: at(folder) });
}

/** Needs a nightly compiler, which not every machine has. The addon needs Node's symbols: left out. */
function addressSanitizer(env) {
  if (run('cargo', ['+nightly', '--version'], { quiet: true }).status !== 0) {
    return { skipped: 'no nightly Rust here (rustup toolchain install nightly)' };
  }
  const target = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`;
  const args = ['+nightly', 'test', '--quiet', '--workspace', '--exclude', 'wakering-node'];
  const leaks = `suppressions=${at('tools/leaks.supp')}:print_suppressions=0`;
  const flags = { RUSTFLAGS: '-Zsanitizer=address', LSAN_OPTIONS: leaks };
  return cargoIn(
    'target/asan',
    ...args,
    '--lib',
    '--tests',
    '--target',
    target,
  )({ ...env, ...flags });
}

/** ava's closing counts, and each skipped test with its reason. */
function testSummary(output) {
  return output
    .split('\n')
    .map((line) => line.trim())
    .filter(
      (line) =>
        /^\d+ (?:tests?|known|uncaught|unhandled) /u.test(line) ||
        /^(?:ℹ skipped:|- \[skip\])/u.test(line),
    );
}
