/**
 * Contenders in processes of their own: bun, and the newest Node where the running one is older. A
 * child lives as long as the run, and waits for a line on stdin while others are measured.
 *
 * Lines of JSON, an answer for each order:
 *
 * ```text
 * {order: "prepare", id, work, place, depth}  ─► {}
 * {order: "measure", id, operations}          ─► a round
 * {order: "close", id}                        ─► {}
 *                                                {error} instead, where it failed
 * ```
 */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { projectRoot } from '../support/launch.ts';
import type { Contender, Round } from './measure.ts';
import type { Place } from './place.ts';
import { WrongContent } from './place.ts';
import type { WorkName } from './works/index.ts';

/** What a child is told. */
export type Order =
  | {
      readonly order: 'prepare';
      readonly id: number;
      readonly work: WorkName;
      readonly place: Place;
      readonly depth: number;
    }
  | { readonly order: 'measure'; readonly id: number; readonly operations: number }
  | { readonly order: 'close'; readonly id: number };

/** What a child answers: the round, where one was ordered. */
export type Answer = Partial<Round> & {
  readonly error?: string;
  /** Whether the error is about what was read. */
  readonly isWrong?: boolean;
};

/** The name of one of them. */
export type PeerName = 'bun' | 'node-newest';

/** Where a peer's program is, or why there is none. */
export interface Found {
  readonly path?: string;
  readonly version?: string;
  readonly obstacle?: string;
}

/** Looks for a peer. */
export function findPeer(name: PeerName): Found {
  return name === 'bun' ? findBun() : findNewestNode();
}

function findBun(): Found {
  const folder = join(projectRoot, 'bench', 'peers', 'node_modules', '@oven');
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x64';
  const builds = ['', '-baseline', '-musl', '-musl-baseline'].map((kind) =>
    join(folder, `bun-linux-${arch}${kind}`, 'bin', 'bun'),
  );
  for (const path of [...builds, 'bun']) {
    const version = versionOf(path);
    if (version !== undefined) return { path, version };
  }
  return { obstacle: 'it is not installed (npm run bench:peers)' };
}

function findNewestNode(): Found {
  const path = join(projectRoot, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(path)) return { obstacle: 'it is not installed (npm ci)' };
  const version = versionOf(path);
  if (version === undefined) return { obstacle: `${path} does not run` };
  const [newest = 0, running = 0] = [version, process.version].map((text) =>
    Number(text.replace('v', '').split('.')[0]),
  );
  return newest > running
    ? { path, version }
    : { obstacle: `this process is Node ${process.version}` };
}

function versionOf(path: string): string | undefined {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** A child, and what it does now. */
export class PeerProcess {
  readonly #name: PeerName;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  #prepared = 0;

  /** Starts it. */
  constructor(name: PeerName, path: string) {
    this.#name = name;
    const flags = name === 'bun' ? [] : ['--expose-gc'];
    const program = join(import.meta.dirname, 'peer.js');
    this.#child = spawn(path, [...flags, program, name], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Its contender for a row. */
  async contender(work: WorkName, place: Place, depth: number): Promise<Contender> {
    this.#prepared += 1;
    const id = this.#prepared;
    await this.#order({ order: 'prepare', id, work, place, depth });
    return {
      name: this.#name,
      measure: async (operations) =>
        (await this.#order({ order: 'measure', id, operations })) as Round,
      close: async () => void (await this.#order({ order: 'close', id })),
    };
  }

  async #order(order: Order): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`${this.#name} ended with ${this.#child.exitCode}`);
    const answer = JSON.parse(value as string) as Answer;
    if (answer.error === undefined) return answer;
    throw answer.isWrong === true ? new WrongContent(answer.error) : new Error(answer.error);
  }

  /** Ends it. */
  end(): void {
    this.#child.stdin.end();
  }
}
