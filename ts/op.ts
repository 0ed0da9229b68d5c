/**
 * An operation that can be awaited and cancelled.
 *
 * ```text
 * pending ─1 fulfil─► fulfilled
 *    ├─2 reject─► rejected
 *    └─3 reject with an AbortError─► cancelled
 * ```
 */

import type { Port } from './port.ts';
import type { Request, Sink } from './request.ts';

/** Where an operation stands. */
export type OpState = 'pending' | 'fulfilled' | 'rejected' | 'cancelled';

type Fulfilled<T, R> = ((value: T) => R | PromiseLike<R>) | null | undefined;
// oxlint-disable-next-line typescript/no-explicit-any -- as a promise's: what is thrown has no type
type Rejected<R> = ((reason: any) => R | PromiseLike<R>) | null | undefined;

/** Settles an Op from within this module's friends; set by the class below. */
let fulfil: <T>(op: Op<T>, value: T) => void;
let reject: <T>(op: Op<T>, reason: unknown) => void;

class OpSink<T> implements Sink<T> {
  readonly #op: Op<T>;

  constructor(op: Op<T>) {
    this.#op = op;
  }

  resolve(value: T): void {
    fulfil(this.#op, value);
  }

  reject(reason: unknown): void {
    reject(this.#op, reason);
  }
}

/**
 * A thenable. The work has started when you hold it (it is eager). `then` may be called any number
 * of times, and gives the same answer each time. A failure that nobody observes becomes an
 * unhandled rejection, as with a promise. AsyncLocalStorage is kept: callbacks run in the context
 * in which `then` was called.
 *
 * @example
 * ```ts
 * import { Runtime } from 'wakering';
 *
 * await using runtime = new Runtime();
 * const op = runtime.ops.sleep(60_000);
 * op.cancel();
 * await op.catch((error) => console.log(error.name, op.state)); // AbortError cancelled
 * ```
 */
export class Op<T> implements PromiseLike<T>, AsyncDisposable {
  readonly #request: Request<T>;
  readonly #port: Port;
  #state: OpState = 'pending';
  #answer: unknown = undefined;
  /** The one promise that every `then` hangs on, made when it is first needed. */
  #promise: Promise<T> | undefined = undefined;
  #resolvers: Sink<T> | undefined = undefined;

  static {
    fulfil = <T>(op: Op<T>, value: T): void => {
      op.#state = 'fulfilled';
      op.#answer = value;
      op.#resolvers?.resolve(value);
    };
    reject = <T>(op: Op<T>, reason: unknown): void => {
      op.#state =
        (reason as { code?: unknown } | null)?.code === 'ABORT_ERR' ? 'cancelled' : 'rejected';
      op.#answer = reason;
      if (op.#resolvers !== undefined) op.#resolvers.reject(reason);
      // Nobody looks yet: a promise that is rejected now reports it, unless somebody comes in time.
      else op.#promise = Promise.reject(reason) as Promise<T>;
    };
  }

  private constructor(request: Request<T>, port: Port) {
    this.#request = request;
    this.#port = port;
  }

  /** Makes the Op of a request that starts next. For the runtime's own use. */
  static of<T>(request: Request<T>, port: Port): Op<T> {
    const op = new Op(request, port);
    request.sink = new OpSink(op);
    return op;
  }

  /** Where it stands, now. */
  get state(): OpState {
    return this.#state;
  }

  /**
   * Asks for the end. The answer says what became of it: an `AbortError`, or the value where that
   * came first. Idempotent, and nothing after the operation is over.
   */
  cancel(): void {
    this.#request.cancel(this.#port);
  }

  #observed(): Promise<T> {
    if (this.#promise === undefined) {
      if (this.#state === 'fulfilled') {
        this.#promise = Promise.resolve(this.#answer as T);
      } else {
        const resolvers = Promise.withResolvers<T>();
        this.#promise = resolvers.promise;
        this.#resolvers = resolvers;
      }
    }
    return this.#promise;
  }

  /** As a promise's. */
  // oxlint-disable-next-line unicorn/no-thenable -- being awaitable is what this class is for
  then<A = T, B = never>(onFulfilled?: Fulfilled<T, A>, onRejected?: Rejected<B>): Promise<A | B> {
    return this.#observed().then(onFulfilled, onRejected);
  }

  /** As a promise's. */
  catch<B = never>(onRejected?: Rejected<B>): Promise<T | B> {
    return this.#observed().catch(onRejected);
  }

  /** As a promise's. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#observed().finally(onFinally);
  }

  /** Cancels it and waits until it is over; its own failure is not thrown here. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    await this.#observed().then(noop, noop);
  }

  /** `Op`. */
  get [Symbol.toStringTag](): string {
    return 'Op';
  }
}

function noop(): void {}
