/** `npm run test:kernels`: the whole compiled test suite on other kernels, each in a guest. */
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { launcher, launchers } from '../__test__/support/launch.ts';
import { status } from './guest/emulator.ts';
import { GuestError, told } from './guest/error.ts';
import { runGuest } from './guest/guest.ts';
import { needPackages, say } from './guest/host.ts';
import { guestOptions, guestOptionsHelp, guestSettings } from './guest/options.ts';
import { place, projectCargo } from './guest/project.ts';
import { devNode, duration, root } from './project.mjs';
import { countsOf } from './tally.mjs';

/** The two long-term kernels that Debian ships today. */
const usualKernels = ['6.1', '6.12'];

const help = `usage: npm run test:kernels [-- options] [KERNEL ...]

Runs the compiled tests on Debian's kernels (${usualKernels.join(' ')} unless named; also 5.10, 6.18,
7.2 and others), each in a virtual machine, and prints what passed, failed and was skipped.

  --tests NAME         only the test files whose names begin so (repeatable)
  --verbose            show all that the tests print (it is kept in .build/kernels anyway)
${guestOptionsHelp}

WAKERING_TEST_NODE names another Node binary to carry. Exit status: 1 if anything failed.
`;

/** Everything lies in the guest's memory: Node, the project, and what the tests write. */
const defaults = { memoryMib: 3072, timeoutSeconds: 3600 };

type Counts = ReturnType<typeof countsOf>;

interface Result extends Readonly<Counts> {
  readonly kernel: string;
  /** The names of the failed tests, or what else went wrong. */
  readonly failures: readonly string[];
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...guestOptions,
      tests: { type: 'string', multiple: true, default: [] },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const kernels = positionals.length > 0 ? positionals : usualKernels;
  const bad = kernels.find((kernel) => !/^\d+\.\d+$/.test(kernel));
  if (bad !== undefined) throw new GuestError(`${bad} is no kernel line such as 6.1`);
  needPackages();
  // There is no compiler in a guest: the launchers must lie among the build products.
  launchers.forEach(launcher);
  const settings = { ...defaults, ...guestSettings(values) };
  const results: Result[] = [];
  for (const kernel of kernels) {
    results.push(await testOn(kernel, settings, values.tests, values.verbose));
  }
  return summary(results);
}

/** Boots the kernel, runs ava in it, and counts. */
async function testOn(
  kernel: string,
  settings: ReturnType<typeof guestSettings>,
  tests: readonly string[],
  verbose: boolean,
): Promise<Result> {
  const began = performance.now();
  mkdirSync(join(root, '.build/kernels'), { recursive: true });
  const path = join(root, '.build/kernels', `${kernel}.log`);
  const shown = relative(root, path);
  const log = createWriteStream(path);
  say(`the tests on kernel ${kernel}, without KVM many times slower than here; see ${shown}`);
  const patterns = tests.map((name) => `.build/__test__/**/${name}*`);
  // Emulation is slow: ava's own idle limit would end tests that make progress.
  const ava = ['node', 'node_modules/ava/entrypoints/cli.js', '--timeout=15m', ...patterns];
  const code = await runGuest({
    ...settings,
    kernel,
    command: ava,
    folder: place,
    // Where ava keeps notes, also when --user makes it run as somebody else.
    writable: [`${place}/node_modules/.cache`],
    cargo: projectCargo(root, process.env['WAKERING_TEST_NODE'] || devNode),
    env: { CI: 'true', NO_COLOR: '1', WAKERING_SLOW: '1', ...settings.env },
    onStdout: (chunk) => {
      log.write(chunk);
      if (verbose) process.stdout.write(chunk);
      else if (chunk.includes('✘')) say(`kernel ${kernel}: a test failed`);
    },
  });
  log.end();
  await finished(log);
  const result = resultOf(kernel, code, readFileSync(path, 'utf8'));
  const took = duration(performance.now() - began);
  say(`kernel ${kernel}: ${worded(result)} in ${took}; its output: ${shown}`);
  return result;
}

function resultOf(kernel: string, code: number, output: string): Result {
  const counts = countsOf(output);
  const failures = [...output.matchAll(/^ {2}✘ (?:\[fail\]: )?(.+)$/gm)].map(
    ([, name]) => name ?? '',
  );
  const why = trouble(code, counts);
  if (why !== undefined) failures.push(why);
  return { kernel, ...counts, failed: failures.length, failures };
}

/** A run that ended badly without naming a failed test has failed nevertheless. */
function trouble(code: number, { failed, passed }: Counts): string | undefined {
  if (code === status.kernelComplained) return 'the kernel complained (see above)';
  if (code === status.died)
    return 'the guest died (see above); emulators have such defects: run it again first';
  if (code === status.timeout) return 'time limit: give more with --timeout SECONDS';
  if (code === status.failed) return 'the guest could not be set up (see above)';
  if (passed === 0) return `no test passed (exit status ${code})`;
  return code === 0 || failed > 0 ? undefined : `ava ended with status ${code}`;
}

/** A line a kernel, the names of what failed, and the total; the exit status. */
function summary(results: readonly Result[]): number {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const result of results) {
    process.stdout.write(`kernel ${result.kernel}: ${worded(result)}\n`);
    for (const failure of result.failures) process.stdout.write(`  ✘ ${failure}\n`);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
  }
  process.stdout.write(`${worded(total)}\n`);
  return total.failed === 0 ? 0 : 1;
}

function worded(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(told(error));
  process.exitCode = status.failed;
}
