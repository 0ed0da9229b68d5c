/** What `wakering hash` says about a run: for people on standard error, for programs as JSON. */

import { isSystemError } from '../exit.ts';
import { bytes, count, describeError, displayPath, seconds } from '../text.ts';
import type { Comparison } from './compare.ts';
import type { Pass } from './pass.ts';
import type { Failure, Skipped } from './walk.ts';

/** Everything that a report draws on. */
export interface Run {
  readonly root: Buffer;
  /** The measured pass through Wakering. */
  readonly pass: Pass;
  /** Missing with `--no-compare`. */
  readonly comparison: Comparison | undefined;
  /** The driver that ran, such as `uring`. */
  readonly driver: string;
  /** Why that one. */
  readonly reason: string;
  /** Where the manifest was written, unless to standard output. */
  readonly out: Buffer | undefined;
}

/** The report as lines of text. */
export function reportLines(run: Run): string[] {
  return [
    `wakering: ${totals(run.pass)}`,
    ...(run.comparison === undefined ? [] : comparisonLines(run.comparison)),
    ...(run.out === undefined ? [] : [`manifest: written to ${displayPath(run.out)}`]),
    `backend:  ${backendName(run.driver)}`,
    `because:  ${run.reason}`,
  ];
}

/** One line per failure, as `sha256sum` would say it. */
export function failureLine({ path, error }: Failure): string {
  return `wakering: ${displayPath(path)}: ${describeError(error)}`;
}

function totals(pass: Pass): string {
  const files = count(pass.entries.length, 'file');
  const skipped = skippedText(pass.skipped);
  const failed = pass.failures.length === 0 ? '' : `; ${pass.failures.length} could not be read`;
  return `${files}, ${bytes(pass.bytes)} in ${speed(pass)}${skipped}${failed}`;
}

function speed(pass: Pass): string {
  return `${seconds(pass.seconds)} (${megabytesPerSecond(pass).toFixed(1)} MB/s)`;
}

function megabytesPerSecond(pass: Pass): number {
  return pass.seconds > 0 ? pass.bytes / 1e6 / pass.seconds : 0;
}

function skippedText(skipped: Skipped): string {
  const parts = [
    [skipped.links, 'symbolic link', 'symbolic links'],
    [skipped.fifos, 'FIFO', 'FIFOs'],
    [skipped.sockets, 'socket', 'sockets'],
    [skipped.devices, 'device', 'devices'],
    [skipped.output, 'file of the manifest itself', 'files of the manifest itself'],
  ] as const;
  const named = parts.filter(([amount]) => amount > 0);
  if (named.length === 0) return '';
  return `; skipped ${named.map(([amount, one, many]) => count(amount, one, many)).join(', ')}`;
}

function comparisonLines({ node, ratio, rounds, difference }: Comparison): string[] {
  const verdict =
    difference === undefined
      ? 'equal, line by line'
      : `they DIFFER, first at ${displayPath(difference)}; did something write to the tree?`;
  return [
    `node:fs:  the same work through node:fs/promises in ${speed(node)}`,
    `ratio:    ${ratio.toFixed(2)} (seconds of node:fs / seconds of wakering; ${roundsText(rounds)}`,
    '          after the whole tree had been read once, so that both read from the page cache)',
    `compare:  manifests ${verdict}`,
  ];
}

function roundsText(rounds: number): string {
  return rounds === 1 ? 'wakering ran first,' : `best of ${rounds} passes each, in turns,`;
}

function backendName(driver: string): string {
  if (driver === 'uring') return 'io_uring (driver uring)';
  return driver === 'poll' ? 'readiness and threads (driver poll)' : `driver ${driver}`;
}

/** The report as plain data for `--json`. Paths that are not UTF-8 come with their bytes in hex. */
export function reportObject(run: Run): Record<string, unknown> {
  const { comparison, pass } = run;
  return {
    directory: jsonPath(run.root),
    ...passObject(pass),
    skipped: pass.skipped,
    failures: pass.failures.map(failureObject),
    comparison:
      comparison === undefined
        ? null
        : {
            with: 'node:fs/promises',
            ...passObject(comparison.node),
            ratio: comparison.ratio,
            rounds: comparison.rounds,
            manifestsEqual: comparison.difference === undefined,
            firstDifference:
              comparison.difference === undefined ? null : jsonPath(comparison.difference),
            order: ['warm-up through node:fs', 'wakering', 'node:fs'],
          },
    manifest: run.out === undefined ? null : jsonPath(run.out),
    backend: { driver: run.driver, reason: run.reason },
  };
}

function passObject(pass: Pass): Record<string, number> {
  return {
    files: pass.entries.length,
    bytes: pass.bytes,
    seconds: pass.seconds,
    megabytesPerSecond: megabytesPerSecond(pass),
  };
}

function failureObject({ path, error }: Failure): Record<string, unknown> {
  const code = isSystemError(error) ? error.code : null;
  const syscall = isSystemError(error) ? (error.syscall ?? null) : null;
  return { path: jsonPath(path), code, syscall, message: describeError(error) };
}

function jsonPath(path: Buffer): string | { readonly hex: string } {
  const text = path.toString('utf8');
  return Buffer.from(text, 'utf8').equals(path) ? text : { hex: path.toString('hex') };
}
