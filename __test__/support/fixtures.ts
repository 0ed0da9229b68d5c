/** Folders, FIFOs and numbers that several tests need. */

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

/** Whether this is an emulated machine, 5 to 30 times slower. */
export const isSlow: boolean = process.env['WAKERING_SLOW'] === '1';

/** How many rounds to make: fewer where each takes long. */
export function rounds(count: number): number {
  return isSlow ? Math.max(20, Math.ceil(count / 50)) : count;
}

/** Milliseconds to wait at the most: more where everything takes long. */
export function patience(ms: number): number {
  return isSlow ? ms * 20 : ms;
}

/** A folder of its own for a test; it is gone when the test is over. */
export async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wakering-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A FIFO. Node cannot make one. */
export function makeFifo(folder: string, name = 'fifo'): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

/** The compiled form of `__test__/programs/<name>.ts`, for a process or Worker of its own. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
}

/** Numbers that look random, the same ones for the same seed: `next(n)` is from 0 to n - 1. */
export function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

/** A seed that differs from run to run, unless `WAKERING_SEED` says which; it is printed. */
export function seedOf(t: ExecutionContext): number {
  const given = Number(process.env['WAKERING_SEED'] ?? Number.NaN);
  const seed = Number.isInteger(given) ? given : Math.floor(Math.random() * 2 ** 31) + 1;
  t.log(`WAKERING_SEED=${seed}`);
  return seed;
}

/** Lets libuv have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets things get on for a moment of random length. */
export async function moment(next: (below: number) => number): Promise<void> {
  const kind = next(3);
  if (kind === 1) await nextTurn();
  if (kind === 2) for (let spins = next(20_000); spins > 0; spins -= 1) performance.now();
}

/** Waits some milliseconds, on Node's own timers. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A promise's answer, or an error that says what took too long. */
export async function inTime<T>(promise: PromiseLike<T>, what: string, ms = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), patience(ms));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
