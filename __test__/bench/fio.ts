/** The floor: what fio reads through io_uring with fixed buffers and files, from the same file. */

import { spawn, spawnSync } from 'node:child_process';
import type { Contender, Round } from './measure.ts';
import { BLOCK_BYTES, readPath } from './place.ts';
import type { Place } from './place.ts';

/** Fewer take no time that its clock of milliseconds could tell. */
const READS_MIN = 20_000;
const READS_MIN_DIRECT = 1000;

/** Why there is no fio here, and what to do; `undefined` where there is. */
export function fioObstacle(): string | undefined {
  const { status, stdout } = spawnSync('fio', ['--enghelp=io_uring'], { encoding: 'utf8' });
  if (status === null) return 'it is not installed (Debian: apt-get install fio)';
  return stdout.includes('fixedbufs') ? undefined : 'this fio was built without io_uring';
}

/** Sizes of its batches: nobody knows beforehand which of them is best on a machine. */
export function fioCandidates(place: Place, depth: number, direct: boolean): Contender[] {
  const sizes = [1, 8, 16].filter((size) => size === 1 || size < depth);
  return sizes.map((size) => fio(place, depth, direct, size));
}

function fio(place: Place, depth: number, direct: boolean, batch: number): Contender {
  const path = readPath(place);
  const args = [
    '--name=floor',
    `--filename=${path}`,
    `--size=${place.fileBytes}`,
    `--bs=${BLOCK_BYTES}`,
    '--rw=randread',
    '--norandommap',
    '--randrepeat=0',
    '--ioengine=io_uring',
    '--fixedbufs',
    '--registerfiles',
    '--invalidate=0',
    '--gtod_reduce=1',
    '--thread',
    `--direct=${direct ? 1 : 0}`,
    `--iodepth=${depth}`,
    `--iodepth_batch_submit=${batch}`,
    '--iodepth_batch_complete_min=1',
    `--iodepth_batch_complete_max=${depth}`,
    // More than it gets to: the number of reads ends it.
    '--io_size=1000g',
    '--output-format=json',
  ];
  const least = direct ? READS_MIN_DIRECT : READS_MIN;
  return {
    name: 'fio',
    settings: `batches of ${batch}`,
    least,
    measure: async (operations) =>
      roundOf(await run([...args, `--number_ios=${Math.max(least, operations)}`])),
    close: async () => {},
  };
}

interface Job {
  readonly error: number;
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  readonly read: { readonly total_ios: number; readonly runtime: number };
}

function roundOf(output: string): Round {
  const json = JSON.parse(output.slice(output.indexOf('{'))) as { readonly jobs: readonly Job[] };
  const [job] = json.jobs;
  if (job === undefined || job.error !== 0) throw new Error(`fio failed: ${output}`);
  const seconds = Math.max(1, job.read.runtime) / 1000;
  return {
    operations: job.read.total_ios,
    seconds,
    cpuMicros: ((job.usr_cpu + job.sys_cpu) / 100) * seconds * 1e6,
  };
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('fio', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(`fio ended with ${status}: ${errors.trim() || output.trim()}`));
    });
  });
}
