/** What this process holds at the moment: descriptors, threads, memory. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { patience, pause } from './fixtures.ts';

/** What each open descriptor is, by its number. The one that reads the list is not in it. */
export function descriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      found.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The list's own descriptor, closed by now; or another thread's, closed meanwhile.
    }
  }
  return found;
}

/** The names of this process's threads, kernel workers of its rings among them. */
export function threadNames(): string[] {
  const names: string[] = [];
  for (const task of readdirSync('/proc/self/task')) {
    try {
      names.push(readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim());
    } catch {
      // It has ended.
    }
  }
  return names.toSorted();
}

/** The first value that satisfies, or the last one looked at when the time is over. */
export async function eventually<T>(
  look: () => T,
  satisfies: (value: T) => boolean,
  ms = 10_000,
): Promise<T> {
  const end = performance.now() + patience(ms);
  for (;;) {
    const value = look();
    if (satisfies(value) || performance.now() > end) return value;
    await pause(5);
  }
}

/** Descriptors that were not open before, when those on their way to be closed have gone. */
export async function newDescriptors(before: ReadonlyMap<number, string>): Promise<string[]> {
  const look = (): string[] =>
    [...descriptors()].filter(([fd]) => !before.has(fd)).map(([fd, what]) => `${fd}: ${what}`);
  return eventually(look, (found) => found.length === 0);
}
