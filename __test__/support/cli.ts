/** Runs the command line tool, and makes trees for it to hash. */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export { makeFolder } from './fixtures.ts';

/** The compiled entry point of the tool. */
export const cliPath = fileURLToPath(import.meta.resolve('#cli/main'));

/** How a run ended and what it said. */
export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where and under what to run. */
export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the tool: `setpriv` with its options, for instance. */
  readonly under?: readonly string[];
}

/** Starts the tool without waiting for it. */
export function startCli(args: readonly string[], options: CliOptions = {}): ChildProcess {
  const command = [...(options.under ?? []), process.execPath, cliPath, ...args];
  return spawn(command[0] ?? '', command.slice(1), {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs the tool to its end. */
export async function runCli(args: readonly string[], options?: CliOptions): Promise<CliResult> {
  return finished(startCli(args, options));
}

/** Collects what a started tool says and waits for its end. */
export async function finished(child: ChildProcess): Promise<CliResult> {
  if (child.stdout === null || child.stderr === null) throw new TypeError('both must be pipes');
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([
    child.stdout.destroyed ? Buffer.alloc(0) : buffer(child.stdout),
    buffer(child.stderr),
    ended,
  ]);
  return { code, signal, stdout, stderr: stderr.toString('utf8') };
}

/** SHA-256 of some content, as 64 hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A manifest line as it must come out for a name without anything to escape. */
export function line(path: string, content: string | Uint8Array): string {
  return `${sha256(content)}  ${path}\n`;
}

/** A path one of whose names is not UTF-8. */
export function bytesPath(folder: string, ...name: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);
}

/** Whether GNU `sha256sum` is there: others know no escapes. */
export function hasGnuSha256sum(): boolean {
  return spawnSync('sha256sum', ['--version']).stdout?.includes('GNU coreutils') ?? false;
}

/**
 * What to run a command under so that file modes bind it: root reads everything else. `undefined`
 * when that cannot be had here.
 */
export function underFileModes(): readonly string[] | undefined {
  if (process.geteuid?.() !== 0) return [];
  const caps = '-dac_override,-dac_read_search';
  const under = ['setpriv', `--inh-caps=${caps}`, `--bounding-set=${caps}`];
  return spawnSync('setpriv', [...under.slice(1), 'true']).status === 0 ? under : undefined;
}
