/**
 * Runs the same calls through `node:fs/promises` and `wakering/fs`, each in a folder of its own with
 * the same files, and compares values, errors and what is in the folder afterwards.
 */

import nodeFs from 'node:fs';
import nodePromises from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import wakeringFs from 'wakering/fs';

/** What both sides are. The types of ours promise less in places; the tests look at behaviour. */
export type Api = typeof nodePromises;

/** Ours, as if it were Node's. */
export const ours = wakeringFs as unknown as Api;

/** A call: its value, or what it rejects with, is compared. Paths are relative to a fresh folder. */
export type Call = (fs: Api) => unknown;

/** What is known of a row beforehand. */
export interface RowOptions {
  /**
   * The first Node that behaves so. On older ones, some of which abort the process, only ours is
   * run, and the reason is logged.
   */
  readonly since?: number;
  /** Compares only these fields of an error, where Node's differ between its versions. */
  readonly fields?: readonly string[];
}

/** A row: the behaviour's name, the call, and what is known of it. */
export type Row = readonly [name: string, call: Call, options?: RowOptions];

/** Bytes that change from place to place, so that a piece in the wrong place is seen. */
export function pattern(bytes: number): Buffer {
  const data = Buffer.allocUnsafe(bytes);
  for (let index = 0; index < bytes; index += 1) data[index] = (index * 7 + (index >> 8)) & 0xff;
  return data;
}

/** A name that is no text. */
export const strangeName: Buffer = Buffer.from([0x66, 0xff, 0xfe, 0x6f]);

const major = Number(process.versions.node.split('.')[0]);

/** One test for each row. */
export function same(topic: string, rows: readonly Row[]): void {
  for (const [name, call, options = {}] of rows) {
    // The working directory belongs to the process: one row after the other.
    test.serial(`${topic}: ${name}`, async (t) => {
      const actual = await run(t, ours, call, options);
      if (options.since !== undefined && major < options.since) {
        t.log(`only run, not compared: Node ${options.since} is the first that behaves so`);
        t.pass();
        return;
      }
      const expected = await run(t, nodePromises, call, options);
      t.deepEqual(actual, expected);
    });
  }
}

async function run(
  t: ExecutionContext,
  fs: Api,
  call: Call,
  options: RowOptions,
): Promise<{ outcome: unknown; tree: unknown }> {
  const folder = nodeFs.mkdtempSync(path.join(os.tmpdir(), 'wakering-same-'));
  t.teardown(() => nodeFs.rmSync(folder, { recursive: true, force: true }));
  furnish(folder);
  const before = process.cwd();
  process.chdir(folder);
  try {
    const outcome = await outcomeOf(call, fs, options);
    return {
      outcome: JSON.parse(JSON.stringify(outcome).replaceAll(folder, '<folder>')),
      tree: treeOf('.'),
    };
  } finally {
    process.chdir(before);
  }
}

async function outcomeOf(call: Call, fs: Api, options: RowOptions): Promise<unknown> {
  try {
    return { value: plain(await call(fs)) };
  } catch (error) {
    const shown = errorOf(error);
    if (options.fields === undefined) return { error: shown };
    return { error: Object.fromEntries(options.fields.map((field) => [field, shown[field]])) };
  }
}

/** The files that every row finds. */
function furnish(folder: string): void {
  const at = (name: string): string => path.join(folder, name);
  nodeFs.writeFileSync(at('hello.txt'), 'hello world\n');
  nodeFs.writeFileSync(at('empty'), '');
  nodeFs.writeFileSync(at('big'), pattern(300_000));
  nodeFs.writeFileSync(at('private'), 'mine', { mode: 0o600 });
  nodeFs.writeFileSync(at('grüße.txt'), 'grüße, 你好');
  nodeFs.mkdirSync(at('folder/sub/deep'), { recursive: true });
  nodeFs.writeFileSync(at('folder/b'), 'b');
  nodeFs.writeFileSync(at('folder/a'), 'a');
  nodeFs.writeFileSync(at('folder/sub/c'), 'c');
  nodeFs.mkdirSync(at('vacant'));
  nodeFs.symlinkSync('hello.txt', at('link'));
  nodeFs.symlinkSync('nowhere', at('dead'));
  nodeFs.symlinkSync('sub', at('folder/way'));
  nodeFs.symlinkSync('loop', at('loop'));
  nodeFs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), strangeName]), 'strange');
}

/** Everything below a folder: kinds, modes, names and content. */
function treeOf(folder: string): unknown {
  return nodeFs.readdirSync(folder, { withFileTypes: true, encoding: 'latin1' }).map((entry) => {
    const at = Buffer.from(`${folder}/${entry.name}`, 'latin1');
    const { mode, size, nlink } = nodeFs.lstatSync(at);
    const below = entry.isDirectory() ? treeOf(at.toString('latin1')) : undefined;
    const target = entry.isSymbolicLink() ? nodeFs.readlinkSync(at) : undefined;
    const content = entry.isFile() && size < 4096 ? nodeFs.readFileSync(at, 'latin1') : undefined;
    return { name: entry.name, mode, size: below ? 0 : size, nlink, below, target, content };
  });
}

/** A value as data that can be compared, with what makes its class. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return '<function>';
  if (value === undefined) return '<undefined>';
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array)
    return { [value.constructor.name]: long(Buffer.from(value).toString('hex')) };
  if (value instanceof Date) return { date: value.toISOString() };
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Error) return errorOf(value);
  const name: unknown = value.constructor?.name;
  const fields = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  // Deprecated since Node 18, gone in 24.
  if (name === 'Dirent') delete fields['path'];
  if (name === 'FileHandle') return '<FileHandle>';
  if (name === 'Stats' || name === 'BigIntStats' || name === 'Dirent') {
    return { name, fields, kinds: kindsOf(value as nodeFs.Dirent) };
  }
  return { prototype: Object.getPrototypeOf(value) === null ? null : String(name), fields };
}

function long(text: string): string {
  return text.length < 400 ? text : `${text.slice(0, 64)}… ${text.length} … ${text.slice(-64)}`;
}

function kindsOf(entry: nodeFs.Dirent): readonly boolean[] {
  return [
    entry.isFile(),
    entry.isDirectory(),
    entry.isSymbolicLink(),
    entry.isFIFO(),
    entry.isSocket(),
    entry.isBlockDevice(),
    entry.isCharacterDevice(),
  ];
}

/** What programs and logs see of an error. */
export function errorOf(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { thrown: inspect(error) };
  const { name, message, cause, stack } = error;
  return {
    class: error.constructor.name,
    name,
    message,
    ...Object.fromEntries(Object.entries(error).map(([key, each]) => [key, plain(each)])),
    cause: plain(cause),
    keys: Object.keys(error).toSorted(),
    header: stack?.split('\n')[0],
  };
}
