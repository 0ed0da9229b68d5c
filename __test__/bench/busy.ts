/** Another process that keeps the last CPU busy. */

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { pause } from '../support/fixtures.ts';

const START_MS = 200;

/** It, or why it could not be started. */
export type Busy = { readonly note: string; end(): void } | { readonly obstacle: string };

/** Starts it. */
export async function keepBusy(): Promise<Busy> {
  const cpu = availableParallelism() - 1;
  const spin = [process.execPath, '-e', 'for (;;);'];
  const child = spawn('taskset', ['-c', `${cpu}`, ...spin], { stdio: 'ignore' });
  const failed = new Promise<string>((resolve) => {
    child.on('error', () => resolve('taskset is not there (Debian: apt-get install util-linux)'));
    child.on('exit', (status) => resolve(`taskset ended with ${status}`));
  });
  const failure = await Promise.race([failed, pause(START_MS)]);
  if (typeof failure === 'string') return { obstacle: failure };
  return { note: `CPU ${cpu} was kept busy by another process`, end: () => child.kill('SIGKILL') };
}
