/** What the numbers were measured on. */

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { resolve } from 'node:path';
import { Runtime } from 'wakering';
import type { Driver } from './kits-wakering.ts';

/** Plain data. */
export interface Host {
  readonly node: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly cpu: string;
  readonly fileSystem: string;
  /** Which driver carries the operations, and why. */
  readonly driver: string;
  readonly reason: string;
}

/** Looks at this machine, and at the file system that `folder` lies on. */
export async function hostOf(folder: string, driver: Driver): Promise<Host> {
  await using runtime = new Runtime({ driver });
  const chosen = runtime.capabilities();
  return {
    node: process.version,
    kernel: release(),
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    fileSystem: fileSystemOf(folder),
    driver: chosen.driver,
    reason: chosen.reason,
  };
}

/** The type of the innermost mount that holds a path, as proc(5) shows it. */
export function fileSystemOf(path: string): string {
  const absolute = resolve(path);
  let best = { point: '', type: 'unknown' };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4]?.replace(/\\040/g, ' ');
    const [type] = after.split(' ');
    if (point === undefined || type === undefined || point.length < best.point.length) continue;
    const inside = point === '/' || absolute === point || absolute.startsWith(`${point}/`);
    if (inside) best = { point, type };
  }
  return best.type;
}
