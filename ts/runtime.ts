/** A runtime: one port of this JavaScript thread, and what can be done through it. */

import { Buffers, type Lease } from './buffer.ts';
import { systemError } from './errors.ts';
import { createFs, type Fs } from './fs/index.ts';
import { createOps, Lane, type Ops } from './lane.ts';
import { type Capabilities, capabilitiesOf, type Metrics, metricsOf } from './metrics.ts';
import { native, type NativeOptions } from './native.ts';
import { nativeOptions, type RuntimeOptions } from './options.ts';
import { Port } from './port.ts';
import { createTime, type Time } from './time/index.ts';

/**
 * A runtime of this thread. Several may live side by side; each Worker has its own.
 *
 * @example
 * ```ts
 * import { Runtime } from 'wakering';
 *
 * await using runtime = new Runtime({ queueDepth: 256 });
 * const { size } = await runtime.fs.stat('package.json');
 * console.log(size > 0, runtime.capabilities().driver);
 * ```
 */
export class Runtime implements AsyncDisposable {
  readonly #port: Port;
  readonly #buffers: Buffers;
  readonly #fs: Fs;
  readonly #ops: Ops;
  readonly #time: Time;

  /**
   * Starts a runtime.
   *
   * @throws TypeError or RangeError that names the option and the allowed range.
   * @throws Error with the kernel's `code` where the driver that was asked for is refused.
   * @throws LoadError where the native addon cannot be loaded.
   */
  constructor(options: RuntimeOptions = {}) {
    const checked = nativeOptions(options);
    const addon = native();
    this.#port = openPort(() => new Port(addon, checked), checked);
    this.#buffers = new Buffers(this.#port.native);
    const lane = new Lane(this.#port, this.#buffers);
    this.#fs = createFs(lane);
    this.#ops = createOps(this.#port, this.#buffers);
    this.#time = createTime(this.#ops);
  }

  /** Files, in the shape of `node:fs/promises`. */
  get fs(): Fs {
    return this.#fs;
  }

  /** Every operation as an {@link Op}: awaitable, and cancellable without a signal. */
  get ops(): Ops {
    return this.#ops;
  }

  /** Time. */
  get time(): Time {
    return this.#time;
  }

  /**
   * Memory that reads and writes reach without a copy, up to 65,536 bytes.
   *
   * @throws RangeError for a size out of range; Error where all of it is lent, or the runtime is
   * closed.
   * @example
   * ```ts
   * import { Runtime } from 'wakering';
   *
   * await using runtime = new Runtime();
   * await using file = await runtime.fs.open('package.json');
   * using lease = runtime.lease(4096);
   * const { bytesRead } = await file.read(lease.view, 0, 4096, 0);
   * console.log(lease.view.subarray(0, bytesRead).length > 0);
   * ```
   */
  lease(bytes: number): Lease {
    this.#port.checkOpen();
    return this.#buffers.lease(bytes);
  }

  /**
   * Which driver carries the operations, why, and what it can do. Looking takes a millisecond.
   *
   * @throws Error with the code `ERR_WAKERING_CLOSED` where the runtime is closed.
   */
  capabilities(): Capabilities {
    return capabilitiesOf(this.#port);
  }

  /** What it has done and is doing; the final counts once it is closed. */
  metrics(): Metrics {
    return metricsOf(this.#port);
  }

  /** Operations started from now on keep the process alive (the default). */
  ref(): this {
    this.#port.keepsAlive = true;
    return this;
  }

  /** Operations started from now on do not keep the process alive. */
  unref(): this {
    this.#port.keepsAlive = false;
    return this;
  }

  /**
   * Refuses new operations, cancels those under way, waits for them, and ends the runtime's
   * threads. Open files are closed. Every operation settles. Idempotent.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  /** As {@link close}: `await using runtime = new Runtime()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The addon says `result|what` where it refuses; this makes it an error of the system's kind. */
function openPort(open: () => Port, options: NativeOptions): Port {
  try {
    return open();
  } catch (error) {
    const [, result, what] = /^(-\d+)\|([\s\S]*)$/.exec((error as Error).message) ?? [];
    if (result === undefined) throw error;
    const system = systemError(Number(result), 'io_uring_setup');
    const driver = `the '${options.driver}' driver cannot be used: ${what}`;
    system.message = `${system.message}; ${driver}`;
    throw system;
  }
}

let shared: Runtime | undefined;

/** The runtime that `wakering/fs` uses: made when it is first needed, one for each thread. */
export function defaultRuntime(): Runtime {
  shared ??= new Runtime();
  return shared;
}
