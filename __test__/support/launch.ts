/**
 * Runs commands in hostile places: io_uring refused as containers refuse it, little locked memory, few
 * descriptors, another user. The launchers are small static C programs in `__test__/launch/`; they are
 * compiled when first needed, into `.build/launch/`, under a name that holds a hash of their source, so
 * an edit is never answered by an old binary and a guest without gcc finds what the host compiled.
 *
 * This file imports nothing but Node and itself: the guest runner in `tools/guest/` uses it too.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The root of the project: the nearest folder upwards that holds the launchers' sources. */
export const projectRoot: string = findRoot(import.meta.dirname);

function findRoot(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '__test__', 'launch', 'confine.c'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no __test__/launch/confine.c above ${start}`);
  }
}

/** The launchers, and a probe for them: the names of their sources. */
export const launchers = ['refuse-uring', 'confine', 'probe-uring'] as const;

/** One of {@link launchers}. */
export type Launcher = (typeof launchers)[number];

/** How io_uring is refused: the error that its system calls return, or a kill by SIGSYS. */
export type Refusal = 'eperm' | 'enosys' | 'eacces' | 'kill';

/** One of io_uring's three system calls. */
export type UringCall = 'setup' | 'enter' | 'register';

/** Limits for {@link confine}; what is absent stays as it is. */
export interface Limits {
  /**
   * Run as this user, without capabilities. Root is exempt from `memlockBytes` and `processes`. Where
   * the tests do not run as root, they already are such a user, and this is left out.
   */
  readonly user?: number;
  /** RLIMIT_MEMLOCK. */
  readonly memlockBytes?: number;
  /** RLIMIT_NOFILE. */
  readonly files?: number;
  /** RLIMIT_NPROC. */
  readonly processes?: number;
  /** RLIMIT_AS. Node itself reserves many GiB of addresses: only for programs other than Node. */
  readonly addressBytes?: number;
}

/** A program and its arguments, ready for `spawn` or {@link run}. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** How a command ended, and what it printed. */
export interface Outcome {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  /** The signal that ended it; null when it exited. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@link run}. */
export interface RunOptions {
  /** Working directory; the project's root when absent. */
  readonly cwd?: string;
  /** Variables on top of the caller's; `undefined` removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What the command reads on stdin; an empty stdin when absent. */
  readonly input?: string;
  /** SIGKILL after this time (60,000), which is stretched where `WAKERING_SLOW` says so. */
  readonly timeoutMs?: number;
}

/** The part of ava's execution context that {@link skip} needs. */
export interface Skippable {
  log(...values: unknown[]): void;
  pass(): unknown;
}

/** Emulated kernels are 5 to 30 times slower: time limits are multiplied by this. */
const patience = process.env['WAKERING_SLOW'] === '1' ? 20 : 1;

/**
 * The path of a launcher, which is compiled if it is not there yet.
 *
 * @throws Error that says what to install when it cannot be compiled.
 */
export function launcher(name: Launcher): string {
  const source = join(projectRoot, '__test__', 'launch', `${name}.c`);
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const binary = join(projectRoot, '.build', 'launch', `${name}-${hash}`);
  if (existsSync(binary)) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  // Test files run in parallel processes: each compiles to a name of its own, and the rename is atomic.
  const partial = `${binary}.${process.pid}`;
  const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-static', '-o', partial, source];
  try {
    execFileSync('gcc', flags, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    throw new Error(`cannot compile ${name}.c: ${whyNotCompiled(error)}`, { cause: error });
  }
  renameSync(partial, binary);
  return binary;
}

function whyNotCompiled(error: unknown): string {
  const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return 'gcc is not installed (Debian: apt-get install gcc libc6-dev)';
  return stderr?.trim() || String(error);
}

/** The command that runs `argv` with io_uring refused; `only` some of its system calls, if given. */
export function refuseUring(
  refusal: Refusal,
  argv: readonly string[],
  only: readonly UringCall[] = [],
): Command {
  const selection = only.length > 0 ? ['--only', only.join(',')] : [];
  return { command: launcher('refuse-uring'), args: [refusal, ...selection, '--', ...argv] };
}

/** The command that runs `argv` under the given limits. */
export function confine(limits: Limits, argv: readonly string[]): Command {
  const user = process.getuid?.() === 0 ? limits.user : undefined;
  const options: readonly (readonly [string, number | undefined])[] = [
    ['--user', user],
    ['--memlock', limits.memlockBytes],
    ['--nofile', limits.files],
    ['--nproc', limits.processes],
    ['--as', limits.addressBytes],
  ];
  const given = options.flatMap(([name, value]) => (value === undefined ? [] : [name, `${value}`]));
  return { command: launcher('confine'), args: [...given, '--', ...argv] };
}

/** Runs one command inside another: `within(confine(...), refuseUring(...))`. */
export function within(outer: Command, inner: Command): Command {
  return { command: outer.command, args: [...outer.args, inner.command, ...inner.args] };
}

/** Starts a command, waits until it ends, and tells how it ended; a failing command is no error. */
export function run(command: Command, options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.command, command.args, {
      cwd: options.cwd ?? projectRoot,
      env: { ...process.env, ...options.env },
      timeout: (options.timeoutMs ?? 60_000) * patience,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A command may end without reading its stdin: the broken pipe is not this test's business.
    child.stdin.on('error', () => {}).end(options.input ?? '');
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/**
 * Why the launchers cannot be used here, or undefined when they can. With `user`, also whether that
 * user can read the project and start this Node: a checkout under a private home directory is closed
 * to others.
 *
 * @example
 * ```ts
 * test('falls back under EPERM', async (t) => {
 *   const obstacle = launchObstacle()
 *   if (obstacle !== undefined) return skip(t, obstacle)
 *   const { status } = await run(refuseUring('eperm', [process.execPath, 'program.js']))
 *   t.is(status, 0)
 * })
 * ```
 */
export function launchObstacle(user?: number): string | undefined {
  try {
    launcher('refuse-uring');
    if (user === undefined) return undefined;
    const program = 'fs.readFileSync("package.json")';
    const { command, args } = confine({ user }, [process.execPath, '-e', program]);
    execFileSync(command, args, { cwd: projectRoot, stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    if (user === undefined || (error as { status?: number }).status === undefined) {
      return (error as Error).message;
    }
    return `user ${user} may not read ${projectRoot} or run ${process.execPath}`;
  }
}

/**
 * Leaves a test whose place is not to be had here. The reason is printed, and `npm test` and
 * CI count tests with such a line apart from the passed ones, so that a skip cannot hide.
 */
export function skip(t: Skippable, reason: string): void {
  t.log(`skipped: ${reason}`);
  t.pass();
}
