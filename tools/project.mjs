// What every tool here needs: where things are, how to say a step, how to run a command.
//
// The tools are plain JavaScript for Node 20, because they run before anything is installed.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root; every command runs there unless told otherwise. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** An absolute path inside the repository. */
export const at = (...parts) => path.join(root, ...parts);

/** The Node that the package is developed with: a development dependency, not the machine's own. */
export const devNode = at('node_modules/node/bin/node');

/** A command that npm installed. */
export const bin = (name) => at('node_modules/.bin', name);

/** One line about what happens now. It goes to stderr: stdout belongs to the program that is run. */
export const say = (line) => process.stderr.write(`${line}\n`);

/** Ends the tool with a message that says what happened and what to do. */
export function fail(message, status = 1) {
  say(`error: ${message}`);
  process.exit(status);
}

/**
 * Runs a command to its end and returns `{ status, output, ms }`.
 *
 * `quiet` keeps its output back (and returns it); otherwise it goes straight to the terminal.
 * A command that was ended by a signal gets the shell's status for it, 128 + its number.
 */
export function run(
  command,
  args,
  { env = {}, quiet = false, cwd = root, input = 'inherit' } = {},
) {
  const begin = performance.now();
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : [input, 'inherit', 'inherit'],
  });
  if (result.error) {
    if (result.error.code !== 'ENOENT') throw result.error;
    return { status: 127, output: `${command}: not found\n`, ms: 0 };
  }
  const status = result.status ?? 128 + (signals[result.signal] ?? 0);
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  return { status, output, ms: performance.now() - begin };
}

const signals = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** Milliseconds as a person reads them: `0.4 s`, `12 s`, `3 min 5 s`. */
export function duration(ms) {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Every file below a folder, as paths relative to the root, sorted; folders named in `skip` are left out. */
export function files(folder, skip = new Set()) {
  if (!existsSync(at(folder))) return [];
  if (statSync(at(folder)).isFile()) return [folder];
  const found = [];
  for (const entry of readdirSync(at(folder), { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory() && !skip.has(entry.name)) found.push(...files(name, skip));
    else if (entry.isFile()) found.push(name);
  }
  return found.toSorted();
}
