#!/usr/bin/env node
/** The `wakering` command: reads the command line, runs one command, exits. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { argumentBytes } from './arguments.ts';
import type { DriverName } from './backend.ts';
import { CliError, exitCode } from './exit.ts';
import { Interrupted, listenForInterrupts } from './interrupt.ts';
import { BrokenPipe, tameStandardStreams } from './stdout.ts';

const CONCURRENCY_DEFAULT = 64;
const CONCURRENCY_MAX = 1024;

const EXIT_CODES = `
Exit codes:
  0    everything was done: all files hashed, manifests equal
  1    a file could not be read, the manifests differ, or input or output failed
  2    the command line was not understood
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
  141  the reader of standard output went away`;

const HASH_NOTES = `
DIRECTORY is the current one by default; a regular file is hashed by itself. Links inside the
tree are not followed, and FIFOs, sockets and devices are never opened: the files are those of
'find DIRECTORY -type f'. The manifest is sorted by the bytes of the names; check it with
'sha256sum --check'. Everything else that is said goes to standard error.
${EXIT_CODES}`;

interface HashFlags {
  readonly out?: string;
  readonly concurrency: number;
  readonly driver?: DriverName;
  readonly compare: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

type Result = (code: number) => void;

function buildProgram(signal: AbortSignal, finish: Result): Command {
  const program = new Command('wakering')
    .description('Files through io_uring: hash a tree, or see what this machine allows.')
    .version(packageVersion(), '--version', 'print the version')
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(run with --help to see what there is)');
  // Before the subcommands are made: they inherit it.
  program.exitOverride();
  addHash(program, signal, finish);
  addDoctor(program, finish);
  return program;
}

function addHash(program: Command, signal: AbortSignal, finish: Result): void {
  program
    .command('hash')
    .summary('SHA-256 of every file under a directory')
    .description('Write the SHA-256 of every file under DIRECTORY as a manifest, and say how fast.')
    .argument('[DIRECTORY]', 'the tree to hash', '.')
    .option('--out <FILE>', 'write the manifest here instead of to standard output')
    .addOption(
      new Option('--concurrency <N>', `files in work at a time, 1 to ${CONCURRENCY_MAX}`)
        .argParser(parseConcurrency)
        .default(CONCURRENCY_DEFAULT),
    )
    .addOption(
      new Option('--driver <NAME>', 'insist on a driver').choices(['uring', 'poll'] as const),
    )
    .option('--no-compare', 'do not do the same work through node:fs/promises')
    .option('--json', 'print the report as JSON to standard output; the manifest needs --out')
    .option('--quiet', 'print no report and no progress; failures are still printed')
    .addHelpText('after', HASH_NOTES)
    .action(async (directory: string, flags: HashFlags) => {
      const { runHash } = await import('./hash/command.ts');
      const options = {
        root: pathArgument('DIRECTORY', directory),
        out: flags.out === undefined || flags.out === '-' ? undefined : outPath(flags.out),
        concurrency: flags.concurrency,
        driver: flags.driver,
        compare: flags.compare,
        json: flags.json ?? false,
        quiet: flags.quiet ?? false,
      };
      finish(await runHash(options, signal));
    });
}

function addDoctor(program: Command, finish: Result): void {
  program
    .command('doctor')
    .summary('what this machine allows, what was chosen and why')
    .description('Show kernel, io_uring features, limits and sandbox, the driver and its reason.')
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', EXIT_CODES)
    .action(async (flags: { readonly json?: boolean }) => {
      const { runDoctor } = await import('./doctor/command.ts');
      finish(await runDoctor(flags.json ?? false));
    });
}

function parseConcurrency(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= CONCURRENCY_MAX) return value;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${CONCURRENCY_MAX}.`);
}

function outPath(text: string): Buffer {
  return pathArgument('--out', text);
}

function pathArgument(name: string, text: string): Buffer {
  if (text === '') throw new CliError(`${name} is empty; give a path`, exitCode.usage);
  return argumentBytes(text);
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Says what went wrong, where there is something to say. Returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (error instanceof BrokenPipe) return error.exitCode;
  if (error instanceof Interrupted) {
    process.stderr.write(`wakering: ${error.message} before the manifest was written\n`);
    // The handlers are gone: this ends the process at once, and shells show the same number.
    if (error.stuck) process.kill(process.pid, error.signalName);
    return error.exitCode;
  }
  if (error instanceof CliError) {
    process.stderr.write(`wakering: ${error.message}\n`);
    return error.exitCode;
  }
  process.stderr.write(`wakering: unexpected: ${(error as Error)?.stack ?? String(error)}\n`);
  return exitCode.failed;
}

async function main(): Promise<never> {
  tameStandardStreams();
  using interrupts = listenForInterrupts();
  let code: number = exitCode.usage;
  try {
    const program = buildProgram(interrupts.signal, (result) => {
      code = result;
    });
    await program.parseAsync();
  } catch (error) {
    code = explain(error);
  }
  // Not by running dry: whatever is still open is of no use any more.
  process.exit(code);
}

await main();
