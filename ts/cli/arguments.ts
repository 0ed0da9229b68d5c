/** Command line arguments as the bytes that the shell passed. */

import { readFileSync } from 'node:fs';

const REPLACEMENT = '\ufffd';

/**
 * The bytes of an argument.
 *
 * Node decodes arguments as UTF-8 and puts U+FFFD where that fails, so that a folder whose name
 * is not UTF-8 could never be named. Linux still has the original bytes, in `/proc/self/cmdline`.
 *
 * @param argument one element of `process.argv`, or the tail of one, as of `--out=FILE`
 */
export function argumentBytes(
  argument: string,
  commandLine: () => Buffer = readCommandLine,
): Buffer {
  const decoded = Buffer.from(argument, 'utf8');
  if (!argument.includes(REPLACEMENT)) return decoded;
  for (const raw of splitCommandLine(commandLine())) {
    const tail = matchingTail(raw, argument);
    if (tail !== undefined) return tail;
  }
  return decoded;
}

function readCommandLine(): Buffer {
  try {
    return readFileSync('/proc/self/cmdline');
  } catch {
    // Without /proc the decoded form is the best there is.
    return Buffer.alloc(0);
  }
}

function* splitCommandLine(commandLine: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = commandLine.indexOf(0); end >= 0; end = commandLine.indexOf(0, start)) {
    yield commandLine.subarray(start, end);
    start = end + 1;
  }
}

function matchingTail(raw: Buffer, argument: string): Buffer | undefined {
  if (raw.toString('utf8') === argument) return raw;
  if (!raw.subarray(0, 2).equals(Buffer.from('--'))) return undefined;
  const value = raw.subarray(raw.indexOf('=') + 1);
  return value.toString('utf8') === argument ? value : undefined;
}
