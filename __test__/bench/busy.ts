/** Another process that keeps the last CPU busy. */

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { pause } from '../support/fixtures.ts';

const START_MS = 200;

/** Starts it; what comes back ends it, and says what became of it. */
export async function keepBusy(): Promise<{ readonly note: string; end(): void }> {
  const cpu = availableParallelism() - 1;
  const spin = [process.execPath, '-e', 'for (;;);'];
  const child = spawn('taskset', ['-c', `${cpu}`, ...spin], { stdio: 'ignore' });
  const failed = new Promise<string>((resolve) => {
    child.on('error', () => resolve('taskset is not there (Debian: apt-get install util-linux)'));
    child.on('exit', (status) => resolve(`taskset ended with ${status}`));
  });
  const failure = await Promise.race([failed, pause(START_MS)]);
  if (typeof failure === 'string') throw new Error(failure);
  return { note: `CPU ${cpu} was kept busy by another process`, end: () => child.kill('SIGKILL') };
}
