/**
 * One listener for each signal, however many operations it may end; gone with the last of them.
 */

import type { Port } from './port.ts';
import type { Request } from './request.ts';

interface Watch {
  readonly requests: Map<Request<never>, Port>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Ends `request` when `signal` aborts. The signal is not aborted yet. */
export function watch<T>(signal: AbortSignal, request: Request<T>, port: Port): void {
  let found = watches.get(signal);
  if (found === undefined) {
    const requests = new Map<Request<never>, Port>();
    const listener = (): void => {
      watches.delete(signal);
      for (const [request, port] of requests) request.cancel(port);
    };
    found = { requests, listener };
    watches.set(signal, found);
    signal.addEventListener('abort', listener, { once: true });
  }
  request.signal = signal;
  found.requests.set(request as unknown as Request<never>, port);
}

/** The operation is over: forgets it, and the listener with the last one. */
export function unwatch<T>(signal: AbortSignal, request: Request<T>): void {
  const found = watches.get(signal);
  if (found === undefined) return;
  found.requests.delete(request as unknown as Request<never>);
  if (found.requests.size === 0) {
    watches.delete(signal);
    signal.removeEventListener('abort', found.listener);
  }
}
