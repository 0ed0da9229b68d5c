/** Options that are an object, the name of an encoding, or nothing. */

import { abortError, invalidArgType, invalidArgValue } from '../errors.ts';
import { abortSignal } from './validate.ts';

/** What every operation here takes. */
export interface Cancellable {
  /** Asks for the operation to be cancelled; then it rejects with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** Options after {@link readOptions}: an object, its encoding and signal checked. */
export interface Options extends Cancellable {
  encoding?: string | null | undefined;
}

/**
 * Makes an object of options, as it is allowed to be given; a string is an encoding.
 *
 * Functions count as nothing, as in Node, where a callback might stand there.
 */
export function readOptions<T extends Options>(
  given: T | string | null | undefined,
  name = 'options',
): T {
  if (given === undefined || given === null || typeof given === 'function') return {} as T;
  if (typeof given !== 'string' && typeof given !== 'object') {
    throw invalidArgType(name, 'one of type string or object', given);
  }
  const options = typeof given === 'string' ? ({ encoding: given } as T) : given;
  const { encoding } = options;
  if (encoding && encoding !== 'buffer' && !Buffer.isEncoding(encoding)) {
    throw invalidArgValue('encoding', encoding, 'is invalid encoding');
  }
  abortSignal(options.signal, 'options.signal');
  return options;
}

/** Checks the signal of options that may be missing; what else is in them is somebody else's. */
export function readSignal(options: Cancellable | null | undefined): Cancellable | undefined {
  if (options === undefined || options === null || typeof options !== 'object') return undefined;
  const signal = abortSignal(options.signal, 'options.signal');
  return signal === undefined ? undefined : { signal };
}

/** Throws when the signal has been given: between two operations, or before the first. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** Bytes of a name or of content in the encoding that was asked for. */
export function decode(bytes: Buffer, encoding: string | null | undefined): string | Buffer {
  if (encoding === 'buffer') return bytes;
  return bytes.toString((encoding || 'utf8') as BufferEncoding);
}
