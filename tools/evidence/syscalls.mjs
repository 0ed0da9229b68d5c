// `npm run evidence`: how many system calls 100,000 awaited reads take, as strace counts them, and
// which threads there were meanwhile; the same through node:fs/promises beside it.
//
// What Node itself needs to start is measured by a run without reads and taken off. The command
// fails where the ring's driver is at work and its reads took more system calls than there were
// reads, or a thread of a pool came for them.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap } from '../bootstrap.mjs';
import { at, devNode, duration, fail, run, say } from '../project.mjs';

const READS = 100_000;
const DEPTH = 32;
const FILE_BYTES = 16 << 20;
const BLOCK_BYTES = 4096;
const SHOWN = 8;

bootstrap();
checkStrace();
const folder = mkdtempSync(join(tmpdir(), 'wakering-evidence-'));
try {
  process.exitCode = main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function main() {
  const file = join(folder, 'file');
  writeFileSync(file, numberedBlocks());
  const ours = difference('wakering', file);
  const theirs = difference('node', file);
  const lines = [
    `${READS} awaited reads of ${BLOCK_BYTES} cached bytes, ${DEPTH} at a time; Node ${nodeVersion()}`,
    '',
    ...describe('wakering', ours),
    '',
    ...describe('node:fs/promises', theirs),
  ];
  const report = `${lines.join('\n')}\n`;
  process.stdout.write(report);
  mkdirSync(at('.build/evidence'), { recursive: true });
  writeFileSync(at('.build/evidence/syscalls.txt'), report);
  return verdict(ours);
}

/** What has to be true of the ring's driver; the other one pays a system call for each read. */
function verdict({ total, said }) {
  const { driver } = said.metrics;
  if (driver !== 'uring') {
    say(`not checked: the driver is ${driver}, which makes a system call for each read`);
    return 0;
  }
  const pool = added(said);
  if (total < READS && pool.length === 0 && said.metrics.lanes.pool === 0) {
    say('✔ fewer system calls than reads, and no thread was started for them');
    return 0;
  }
  say(
    `error: ${total} system calls for ${READS} reads; threads that came: ${pool.join(' ') || 'none'}`,
  );
  return 1;
}

/** A run with reads minus one without: calls by name, and what the program said of itself. */
function difference(who, file) {
  const idle = traced(who, file, 0);
  const busy = traced(who, file, READS);
  const calls = new Map();
  for (const [name, count] of busy.calls) {
    const more = count - (idle.calls.get(name) ?? 0);
    if (more > 0) calls.set(name, more);
  }
  const total = sum(busy.calls) - sum(idle.calls);
  return { calls, total, whole: sum(busy.calls), said: busy.said };
}

function traced(who, file, reads) {
  say(`evidence: ${who}, ${reads} reads under strace`);
  const output = join(folder, 'strace');
  const program = [
    devNode,
    at('tools/evidence/reads.mjs'),
    who,
    file,
    String(reads),
    String(DEPTH),
  ];
  const traced = run('strace', ['-f', '-c', '-o', output, ...program], { quiet: true });
  if (traced.status !== 0) {
    fail(
      `strace ended with ${traced.status}: may this process be traced? A container needs ` +
        `--cap-add SYS_PTRACE\n${traced.output}`,
    );
  }
  say(`  ${duration(traced.ms)}`);
  const json = traced.output.split('\n').find((line) => line.startsWith('{'));
  if (json === undefined) fail(`the reads said nothing of themselves:\n${traced.output}`);
  return { calls: parse(readFileSync(output, 'utf8')), said: JSON.parse(json) };
}

/** `% time, seconds, usecs/call, calls, errors (may be absent), syscall`; the last row is the total. */
function parse(summary) {
  const calls = new Map();
  for (const line of summary.split('\n')) {
    const row = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line);
    if (row !== null && row[2] !== 'total') calls.set(row[2], Number(row[1]));
  }
  if (calls.size === 0) fail(`strace's summary is not as expected:\n${summary}`);
  return calls;
}

function describe(title, { calls, total, whole, said }) {
  const shown = [...calls].toSorted(([, a], [, b]) => b - a).slice(0, SHOWN);
  const width = String(READS).length + 1;
  return [
    `${title}: ${total} system calls, ${(total / READS).toFixed(3)} for each read`,
    `  (the whole process made ${whole}; its start is not counted)`,
    ...shown.map(([name, count]) => `  ${String(count).padStart(width)} ${name}`),
    `  threads in the middle of it: ${grouped(said.middle)}`,
    `  threads that were not there before the first read: ${grouped(added(said)) || 'none'}`,
    ...(said.metrics === undefined ? [] : [`  runtime.metrics(): ${JSON.stringify(said.metrics)}`]),
  ];
}

/** Threads that came between the start of the reads and their middle. */
function added({ before, middle }) {
  const left = [...before];
  return middle.filter((name) => {
    const found = left.indexOf(name);
    if (found !== -1) left.splice(found, 1);
    return found === -1;
  });
}

function grouped(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count} ${name}`)).join(', ');
}

function sum(calls) {
  return [...calls.values()].reduce((total, count) => total + count, 0);
}

function numberedBlocks() {
  const bytes = Buffer.alloc(FILE_BYTES);
  for (let block = 0; block < FILE_BYTES / BLOCK_BYTES; block += 1) {
    bytes.writeUInt32LE(block, block * BLOCK_BYTES);
  }
  return bytes;
}

function nodeVersion() {
  return run(devNode, ['--version'], { quiet: true }).output.trim();
}

function checkStrace() {
  if (run('strace', ['--version'], { quiet: true }).status === 0) return;
  fail('strace is not installed (Debian: apt-get install strace)');
}
