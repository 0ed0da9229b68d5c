/** Options of a runtime: what may be said, and what is wrong with what was said. */

import { availableParallelism } from 'node:os';
import { invalidArgType, invalidArgValue, outOfRange } from './errors.ts';
import type { NativeOptions } from './native.ts';

/** Submission by a kernel thread (SQPOLL). */
export interface SqpollOptions {
  /** The CPU that the kernel thread is bound to; any, where it is left out. */
  readonly cpu?: number | undefined;
  /**
   * Milliseconds without work before the thread sleeps, 1 to 60,000; 50 where it is left out. Or
   * `auto`: as long as pays by the pauses of the program, and plain submission while the thread's CPU
   * is busy or the program has too little to do for it. `metrics().sqpoll.steered` tells what was
   * decided, and why.
   */
  readonly idle?: number | 'auto' | undefined;
  /**
   * With `idle: 'auto'`: CPU seconds that a second of delay of the first operation after a pause is worth,
   * 0 to 1,000,000; 100 where it is left out. A wake of 50 us is then worth 5 ms of looking for work. More
   * keeps the thread awake for longer, 0 lets it sleep as soon as it may.
   */
  readonly weight?: number | undefined;
  /** Whether runtimes of this process that name the same CPU share one thread. Default true. */
  readonly share?: boolean | undefined;
}

/** What a runtime is made with. Everything may be left out. */
export interface RuntimeOptions {
  /**
   * Who carries the operations out: `uring` (or an error), `poll` (readiness and threads), or
   * `auto`: io_uring where the kernel allows it. The environment variable `WAKERING_DRIVER` takes
   * the place of `auto`.
   */
  readonly driver?: 'auto' | 'uring' | 'poll' | undefined;
  /** Operations under way at the most, 1 to 32,768; more wait in line. Default 1,024. */
  readonly queueDepth?: number | undefined;
  /** Threads for what a ring cannot do, and for files without one: 1 to 256. Default 4. */
  readonly poolThreads?: number | undefined;
  /** Submission by a kernel thread, which costs a core while it is busy. Default: none. */
  readonly sqpoll?: SqpollOptions | undefined;
  /** Whether memory may be registered with the kernel (it counts as locked). Default true. */
  readonly registerBuffers?: boolean | undefined;
}

const KNOWN = new Set(['driver', 'queueDepth', 'poolThreads', 'sqpoll', 'registerBuffers']);
const KNOWN_SQPOLL = new Set(['cpu', 'idle', 'weight', 'share']);
const WEIGHT_DEFAULT = 100;
const DRIVERS = new Set(['auto', 'uring', 'poll']);

/** Checks options and gives them as the addon wants them. */
export function nativeOptions(options: RuntimeOptions): NativeOptions {
  checkKeys('options', options, KNOWN);
  const sqpoll = options.sqpoll === undefined ? undefined : nativeSqpoll(options.sqpoll);
  return {
    driver: driverOf(options.driver),
    slots: integer('options.queueDepth', options.queueDepth, 1, 32_768, 1024),
    poolThreads: integer('options.poolThreads', options.poolThreads, 1, 256, 4),
    registerBuffers: boolean('options.registerBuffers', options.registerBuffers, true),
    ...(sqpoll === undefined ? {} : { sqpoll }),
  };
}

function driverOf(asked: RuntimeOptions['driver']): NativeOptions['driver'] {
  const driver = asked ?? 'auto';
  if (!DRIVERS.has(driver)) {
    throw invalidArgValue('options.driver', driver, "must be one of: 'auto', 'uring', 'poll'");
  }
  const fromEnvironment = process.env['WAKERING_DRIVER'];
  if (driver !== 'auto' || fromEnvironment === undefined || fromEnvironment === '') return driver;
  if (!DRIVERS.has(fromEnvironment)) {
    throw invalidArgValue(
      'WAKERING_DRIVER',
      fromEnvironment,
      "must be one of: 'auto', 'uring', 'poll'",
    );
  }
  return fromEnvironment as NativeOptions['driver'];
}

function nativeSqpoll(options: SqpollOptions): NonNullable<NativeOptions['sqpoll']> {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgType('options.sqpoll', 'of type object', options);
  }
  checkKeys('options.sqpoll', options, KNOWN_SQPOLL);
  const cpus = availableParallelism();
  const idle = nativeIdle(options);
  const share = boolean('options.sqpoll.share', options.share, true);
  if (options.cpu === undefined) return { ...idle, share };
  // The machine may have more CPUs than this process may use: the kernel has the last word.
  const cpu = integer('options.sqpoll.cpu', options.cpu, 0, Math.max(cpus, 4096) - 1, 0);
  return { cpu, ...idle, share };
}

/** How long the thread looks for work: so long, or as long as pays by a weight. */
function nativeIdle({ idle, weight }: SqpollOptions): { idleMs?: number; weight?: number } {
  if (idle === 'auto') {
    return { weight: integer('options.sqpoll.weight', weight, 0, 1_000_000, WEIGHT_DEFAULT) };
  }
  if (weight !== undefined) {
    const why = "is of no use without options.sqpoll.idle: 'auto'";
    throw invalidArgValue('options.sqpoll.weight', weight, why);
  }
  return { idleMs: integer('options.sqpoll.idle', idle, 1, 60_000, 50) };
}

function checkKeys(name: string, value: object, known: ReadonlySet<string>): void {
  if (typeof value !== 'object' || value === null) {
    throw invalidArgType(name, 'of type object', value);
  }
  for (const key of Object.keys(value)) {
    if (!known.has(key)) {
      throw invalidArgValue(
        `${name}.${key}`,
        key,
        `is no option; there are ${[...known].join(', ')}`,
      );
    }
  }
}

function integer(
  name: string,
  value: number | undefined,
  least: number,
  most: number,
  otherwise: number,
): number {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer >= ${least} && <= ${most}`, value);
  }
  return value;
}

function boolean(name: string, value: boolean | undefined, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
  return value;
}
