// `npm run prove [-- loom shuttle asan]`: the long proofs of the Rust core, each with the time that
// it takes. Without arguments all of them; the ones that this machine has no tool for are skipped,
// with the reason.
//
// Not among them: helgrind and drd. They know neither atomics nor a mutex that is a futex, so that
// whatever either of these hands over is a race to them, from the standard library's own channels on.
// loom checks the cells behind ours. ThreadSanitizer needs a standard library that was built with it.
//
// WAKERING_SHUTTLE  how many schedules each model of shuttle gets (20,000 here, 4,000 otherwise).

import { at, duration, fail, run, say } from './project.mjs';

const core = ['test', '--quiet', '-p', 'wakering-core'];

const parts = {
  loom: ['loom: every interleaving of the lock-free parts', loom],
  shuttle: [
    'shuttle: whole schedulers, at random and with few switches at the worst places',
    shuttle,
  ],
  asan: ['AddressSanitizer: the tests of the core', addressSanitizer],
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in parts));
if (unknown.length > 0) {
  fail(`no such part: ${unknown.join(', ')} (there are ${Object.keys(parts).join(', ')})`, 2);
}
for (const [name, [title, prove]] of Object.entries(parts)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  say(`▸ ${title}`);
  const { status = 0, output = '', ms = 0, build = 0, skipped } = prove();
  if (skipped) {
    say(`  skipped: ${skipped}`);
    continue;
  }
  if (status !== 0) fail(`${name} failed\n${output}`, status);
  say(`  ${passed(output)} tests passed in ${duration(ms)}, built in ${duration(build)}`);
}

function loom() {
  return built([...core, '--release', '--lib'], ['loom'], {
    RUSTFLAGS: '--cfg loom',
    CARGO_TARGET_DIR: at('target/loom'),
  });
}

function shuttle() {
  return built([...core, '--release', '--lib'], ['shuttle'], {
    RUSTFLAGS: '--cfg shuttle',
    CARGO_TARGET_DIR: at('target/shuttle'),
    WAKERING_SHUTTLE: process.env.WAKERING_SHUTTLE ?? '20000',
  });
}

/** Needs a nightly compiler, which not every machine has. */
function addressSanitizer() {
  if (run('cargo', ['+nightly', '--version'], { quiet: true }).status !== 0) {
    return { skipped: 'no nightly Rust here (rustup toolchain install nightly)' };
  }
  const target = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`;
  return built(['+nightly', ...core, '--lib', '--tests', '--target', target], [], {
    RUSTFLAGS: '-Zsanitizer=address',
    CARGO_TARGET_DIR: at('target/asan'),
    LSAN_OPTIONS: `suppressions=${at('tools/leaks.supp')}:print_suppressions=0`,
  });
}

/** Builds first, so that the time is that of the proof. */
function built(args, filters, env) {
  const build = run('cargo', [...args, '--no-run'], { quiet: true, env });
  if (build.status !== 0) return build;
  return { ...run('cargo', [...args, '--', ...filters], { quiet: true, env }), build: build.ms };
}

/** How many tests passed, of all binaries together. */
function passed(output) {
  const counts = output.matchAll(/^test result: ok\. (\d+) passed/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}
