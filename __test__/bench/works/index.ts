/** Where each work is. */

import type { Prepare } from './work.ts';

const FILES = {
  read: 'blocks',
  readCallback: 'blocks',
  readDirect: 'blocks',
  write: 'blocks',
  stat: 'paths',
  absent: 'paths',
  openClose: 'paths',
  readSmall: 'paths',
  walk: 'paths',
  stream: 'large',
  readLarge: 'large',
  copy: 'large',
  nop: 'waiting',
  sleep: 'waiting',
} as const;

/** The name of a work. */
export type WorkName = keyof typeof FILES;

/**
 * A work's code, a copy for each contender of a process: V8 compiles a loop for what it has seen pass
 * through it, and nobody is to pay for having others beside him.
 */
export async function workFor(name: WorkName, contender: string): Promise<Prepare> {
  const url = new URL(`${FILES[name]}.js?for=${contender}`, import.meta.url);
  const module = (await import(url.href)) as Partial<Record<WorkName, Prepare>>;
  const prepare = module[name];
  if (prepare === undefined) throw new Error(`there is no work named ${name}`);
  return prepare;
}
