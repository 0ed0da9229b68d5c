/** What a runtime has done and is doing, and what its kernel offers: plain objects. */

import { release } from 'node:os';
import { LARGE_BYTES, SMALL_BYTES } from './buffer.ts';
import { Opcode } from './generated/abi.ts';
import type { NativeFeature } from './native.ts';
import type { Port } from './port.ts';

/** A feature of io_uring, here. */
export interface Feature {
  /** Whether it can be used. */
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** Which driver carries the operations, why, and what it can do. */
export interface Capabilities {
  /** `uring` or `poll`. */
  readonly driver: 'uring' | 'poll';
  /** Why this one. */
  readonly reason: string;
  /** The kernel's release, as `uname -r`. */
  readonly kernel: string;
  /** Features of io_uring by name. */
  readonly features: Readonly<Record<string, Feature>>;
}

/** Which numbers decide how an operation is carried out. */
export interface Thresholds {
  /** Bytes from which on a read or write of the addon's own memory goes to the worker loop. */
  readonly workerBytesMin: number;
  /** Bytes up to which a read is tried on this thread first, where that pays. */
  readonly cachedReadBytesMax: number;
  /** Reads and writes of a file after which it gets a place in the ring's table. */
  readonly fixedFileTransfers: number;
  /** Nanoseconds of the longest look for what SQPOLL's thread, or one of the pool, answers. */
  readonly spinNsMax: number;
  /** With so many operations at a time, a thread of the pool takes most stats and small files. */
  readonly sharedMin: number;
  /** The same where that thread would have to be woken first. */
  readonly sharedMinAsleep: number;
  /** Of those, this thread keeps one of so many. */
  readonly sharedOf: number;
  /** Bytes of a small chunk: what a program's own buffer of at most so many bytes is copied by. */
  readonly smallChunkBytes: number;
  /** Bytes of a large chunk, and of the largest lease. What is larger is memory of the addon. */
  readonly largeChunkBytes: number;
}

/** The kernel's thread of SQPOLL with `idle: 'auto'`. What the kernel does not tell is left out. */
export interface SqpollState {
  /** Its thread id. */
  readonly thread?: number;
  /** The CPU that it is bound to, or last ran on. */
  readonly cpu?: number;
  /** How new operations go: over the thread, or by plain submission. */
  readonly route: 'sq-thread' | 'plain';
  /** Milliseconds that it looks for work before it sleeps, now. */
  readonly idleMs: number;
  /** Event loops that it serves. */
  readonly loops: number;
  /** Times that it went to sleep. */
  readonly sleeps?: number;
  /** Times that a loop woke it. */
  readonly wakeups: number;
  /** The share of its time that was work, from 0 to 1. */
  readonly duty?: number;
  /** The last decisions with their reasons, the newest last; 32 at the most. */
  readonly decisions: readonly string[];
  /** What could not be had: on a machine of one CPU nothing keeps off the thread's. */
  readonly warning?: string;
}

/** Counters since the runtime was made. */
export interface Metrics {
  /** Operations that have a slot. */
  readonly inFlight: number;
  /** Operations that wait for one. */
  readonly queued: number;
  /** Operations that had to wait for one, or for the next turn of the event loop, ever. */
  readonly waitedForSlot: number;
  /** Open files. */
  readonly openFiles: number;
  /** Operations completed, by name; names with none are left out. */
  readonly completed: Readonly<Record<string, number>>;
  /** Who carried them out: this thread at once, the driver, the worker loop, the pool. */
  readonly lanes: {
    readonly inline: number;
    readonly loop: number;
    readonly worker: number;
    readonly pool: number;
  };
  /** Attempts to answer from the caches that had to go another way. */
  readonly cachedMisses: number;
  /** The same attempts by the operation's name: those that answered, and those that did not. */
  readonly cached: {
    readonly hits: Readonly<Record<string, number>>;
    readonly misses: Readonly<Record<string, number>>;
  };
  /** Small files that came whole with their open, in one operation each. */
  readonly contents: number;
  /** Files that were read or written so often that they got a place in the ring's table. */
  readonly fixedFiles: number;
  /**
   * Reads and writes that were not answered on this thread, by where their data was: in memory that
   * the kernel holds, in memory that it does not (copied once more), in the addon's own.
   */
  readonly transfers: {
    readonly registered: number;
    readonly bounced: number;
    readonly owned: number;
  };
  /**
   * Over SQPOLL: times that this thread looked for completions before it went back to the event loop
   * and saw one come, times that it looked in vain, and times that the kernel's thread was woken.
   */
  readonly sqpoll: {
    readonly spinsHit: number;
    readonly spinsMissed: number;
    readonly wakeups: number;
    /** What the kernel's thread does, where its idle time is `auto`. */
    readonly steered?: SqpollState;
  };
  /** Times that this thread looked a while for an answer of the pool's and got it, and in vain. */
  readonly pool: { readonly looksHit: number; readonly looksMissed: number };
  /** The numbers that those choices depend on; DESIGN.md has the measurements. They do not change. */
  readonly thresholds: Thresholds;
  /** Batches handed over. */
  readonly flushes: number;
  /** System calls of the driver to publish or wait. */
  readonly enters: number;
  /** Times that libuv woke this thread for completions. */
  readonly waits: number;
  /** Times that completions were left for later, so that timers get their turn. */
  readonly yields: number;
  /** Bytes that reads brought and writes took. */
  readonly bytes: { readonly read: number; readonly written: number };
  /**
   * Cancels: asked for, that ended the operation, that came too late, of what had not started. The
   * first is the sum of the others, and of operations whose cancel was asked for and is not over.
   */
  readonly cancels: {
    readonly asked: number;
    readonly won: number;
    readonly lost: number;
    readonly withdrawn: number;
  };
  /** Times that a queue or table was full. */
  readonly busy: number;
  /** Files closed because their open was cancelled and had succeeded. */
  readonly orphansClosed: number;
  /** Descriptors that made no sense. Not zero is a defect, or somebody writing to the port. */
  readonly malformed: number;
}

const OPCODE_NAMES = Object.entries(Opcode);

/** The counters of a port. */
export function metricsOf(port: Port): Metrics {
  const native = port.metrics();
  const cached = { hits: byName(native.cachedHits), misses: byName(native.cachedMisses) };
  const [registered = 0, bounced = 0, owned = 0] = native.transfers;
  const [spinsHit = 0, spinsMissed = 0, wakeups = 0] = native.sqpoll;
  const [looksHit = 0, looksMissed = 0] = native.poolLooks;
  const [inline = 0, loop = 0, worker = 0, pool = 0] = native.byLane;
  return {
    inFlight: port.inFlight,
    queued: port.queued,
    waitedForSlot: port.counters.waitedForSlot,
    openFiles: native.openHandles,
    completed: byName(native.completed),
    lanes: { inline, loop, worker, pool },
    cachedMisses: native.cachedMisses.reduce((sum, count) => sum + count, 0),
    cached,
    contents: native.contents,
    fixedFiles: native.fixedFiles,
    transfers: { registered, bounced, owned },
    sqpoll: {
      spinsHit,
      spinsMissed,
      wakeups,
      ...(native.sqpollSteered === undefined
        ? {}
        : { steered: native.sqpollSteered as SqpollState }),
    },
    pool: { looksHit, looksMissed },
    thresholds: {
      ...native.thresholds,
      smallChunkBytes: SMALL_BYTES,
      largeChunkBytes: LARGE_BYTES,
    },
    flushes: port.counters.flushes,
    enters: native.enters,
    waits: port.counters.wakes,
    yields: port.counters.yields,
    bytes: { read: native.bytesRead, written: native.bytesWritten },
    cancels: {
      asked: native.cancels + port.counters.withdrawn,
      won: native.cancelsWon,
      lost: native.cancelsLost,
      withdrawn: native.withdrawn + port.counters.withdrawn,
    },
    busy: native.busy,
    orphansClosed: native.orphansClosed,
    malformed: native.malformed,
  };
}

/** Counts by the name of their opcode; names with none are left out. */
function byName(counts: readonly number[]): Record<string, number> {
  const named: Record<string, number> = {};
  for (const [name, number] of OPCODE_NAMES) {
    const count = counts[number] ?? 0;
    if (count > 0) named[name] = count;
  }
  return named;
}

/** The capabilities of a port. */
export function capabilitiesOf(port: Port): Capabilities {
  const { driver, reason, features } = port.capabilities();
  const byName = features.map((feature): [string, Feature] => [feature.name, plain(feature)]);
  return { driver, reason, kernel: release(), features: Object.fromEntries(byName) };
}

function plain({ available, reason }: NativeFeature): Feature {
  return reason === undefined || reason === null ? { available } : { available, reason };
}
