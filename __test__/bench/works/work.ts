/**
 * What a work is made of. Each work is written once; a contender differs from the others in nothing
 * but the {@link Kit} that it brings: same bytes, same checks, same number at a time.
 */

import type { Stats } from 'node:fs';
import type { Place } from '../place.ts';

/** An open file, as far as works use it. */
export interface KitFile {
  read(view: Buffer, offset: number, length: number, position: number): PromiseLike<unknown>;
  write(view: Buffer, offset: number, length: number, position: number): PromiseLike<unknown>;
  close(): PromiseLike<unknown>;
}

/** An entry of a folder, as far as works use it. */
export interface KitEntry {
  readonly name: string;
  readonly parentPath: string;
  isFile(): boolean;
}

/** Functions in the shape of `node:fs/promises`, as far as works use them. */
export interface KitFs {
  open(path: string, flags: number): PromiseLike<KitFile>;
  stat(path: string): PromiseLike<Pick<Stats, 'size'>>;
  readFile(path: string): PromiseLike<Buffer>;
  copyFile(from: string, to: string): PromiseLike<unknown>;
  readdir(
    path: string,
    options: { readonly recursive: true; readonly withFileTypes: true },
  ): PromiseLike<readonly KitEntry[]>;
}

/** What a contender brings. */
export interface Kit {
  /** The contender's name. */
  readonly name: string;
  /** Files; a kit of single operations has the first few of these only. */
  readonly fs: KitFs;
  /** `count` buffers of `bytes` bytes; `aligned` to pages where O_DIRECT will want that. */
  memory(bytes: number, count: number, aligned: boolean): Buffer[];
  createReadStream?(path: string): AsyncIterable<Buffer>;
  sleep?(ms: number): PromiseLike<unknown>;
  nop?(): PromiseLike<unknown>;
  /** System calls so far, where somebody counts them. */
  systemCalls?(): number;
  /** Becomes quiet: what it keeps running for a while after its work is over then. */
  quiet?(): Promise<void>;
  /** @throws Error where it did not do what its name says. */
  close(): Promise<void>;
}

/** A work that is ready to be done. */
export interface Work {
  /** Does so many operations of it, and looks whether they were right. */
  run(operations: number): Promise<void>;
  /** Takes away what a run left, after the clock was stopped. */
  clean?(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a work ready: `depth` operations of it are under way at any time. */
export type Prepare = (kit: Kit, place: Place, depth: number) => Promise<Work>;

/** One operation in so many is looked at closely. */
export const CHECK_EVERY = 64;

/** The seed of the places and names that a work takes: the same ones for each contender. */
export const SEED = 20_261_121;

/** `depth` workers at a time, each of which takes operations as long as there are any. */
export async function crew(depth: number, work: (worker: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: depth }, (_, worker) => work(worker)));
}

/** Nothing to be given back. */
export async function nothing(): Promise<void> {}

/** @throws Error for a kit that lacks a function that the work needs. */
export function needs<T>(what: T | undefined, kit: Kit, name: string): T {
  if (what === undefined) throw new Error(`${kit.name} has no ${name}`);
  return what;
}
