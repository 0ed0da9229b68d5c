/**
 * The pieces of a file in order, read before they are asked for.
 *
 * ```text
 *            ┌──── ahead: at the most `window` pieces ────┐
 * delivered  │ head │ next │ …                            │  not asked for yet
 * ───────────┴──────┴──────┴──────────────────────────────┴──────────────────► position
 * ```
 *
 * 1. What was not delivered is never more than {@link PIECES_MAX} pieces.
 * 2. Ahead is read only below the size that the file had when it was opened: what it grew by
 *    meanwhile is read one piece after the other.
 * 3. A read that comes short ends nothing, for a file may grow: the gap behind it is read again,
 *    and only a read that gives nothing, begun when all before it was there, is the end. Pieces
 *    beyond such an end are thrown away.
 * 4. What has no positions is read when it is asked for, one read at a time, and nothing is taken
 *    from it before there is something to take: a wait can be given up without losing a byte.
 */

import { constants } from 'node:fs';
import type { CallOptions, Lane, Position } from '../lane.ts';
import type { OpenFile } from '../open-file.ts';
import type { BigIntStats, Stats } from './stats.ts';

/** Pieces that may be under way or wait for the consumer. */
const PIECES_MAX = 4;
/** No operation moves more; between two of them others have their turn. */
const PIECE_BYTES_MAX = 8 << 20;
/** And none is so small that it costs more than what it moves. */
const PIECE_BYTES_DEFAULT = 64 * 1024;
const POLLIN = 1;

/** Which part of a file is read, and how. */
export interface Extent {
  /** Where it begins; `null` is the file's own position, which then moves. */
  readonly start: number | null;
  /** How many bytes there are at the most. */
  readonly bytes: number;
  /** How many bytes come at a time. */
  readonly pieceBytes: number;
  /** Where `start` is null: whether that is known to be the beginning of the file. */
  readonly fresh?: boolean;
  /** Whether a read of a pipe that is empty is an error instead of a wait. */
  readonly nonBlocking?: boolean;
}

interface Piece {
  readonly position: number | null;
  readonly length: number;
  /** Whether it was begun when everything before it was delivered. */
  readonly inTurn: boolean;
  /** What was read, when it is there. */
  bytes: Buffer | undefined;
  /** Why there is nothing. */
  error: Error | undefined;
}

/** See the module's text. */
export class ReadAhead {
  readonly #lane: Lane;
  readonly #file: OpenFile;
  readonly #call: CallOptions;
  readonly #pieceBytes: number;
  /** Where the next piece begins; `null` for what is read at the file's own position. */
  #position: number | null;
  /** Bytes that may still be asked for. */
  #left: number;
  /** Below this position there was something when the file was opened. */
  readonly #aheadTo: number;
  readonly #waits: boolean;
  readonly #pieces: Piece[] = [];
  #window = 1;
  #whenThere: (() => void) | undefined;

  private constructor(
    lane: Lane,
    file: OpenFile,
    extent: Extent,
    signal: AbortSignal,
    size: number,
    waits: boolean,
  ) {
    const { start, bytes, pieceBytes, fresh } = extent;
    this.#lane = lane;
    this.#file = file;
    this.#call = { signal };
    this.#pieceBytes = Math.min(pieceBytes || PIECE_BYTES_DEFAULT, PIECE_BYTES_MAX);
    this.#position = start ?? (fresh && size > 0 ? 0 : null);
    this.#left = bytes;
    this.#aheadTo = size;
    this.#waits = waits;
  }

  /** Looks at what kind of file it is. `signal` ends whatever is under way. */
  static async of(
    lane: Lane,
    file: OpenFile,
    extent: Extent,
    signal: AbortSignal,
  ): Promise<ReadAhead> {
    const stats = await lane.statFile(file, false, { signal });
    const size = stats.isFile() ? Number(stats.size) : 0;
    const waits = comesSlowly(stats) && extent.start === null && extent.nonBlocking !== true;
    return new ReadAhead(lane, file, extent, signal, size, waits);
  }

  /**
   * Takes the next bytes: `null` where they are not there yet, `undefined` at the end. Nothing is
   * waited for, because a stream that finds its data at once needs no turn of its own for it.
   *
   * @throws What the system said of the read.
   */
  take(): Buffer | null | undefined {
    for (;;) {
      const head = this.#pieces[0];
      if (head === undefined && !this.#ask(true)) return undefined;
      if (head?.error !== undefined) throw head.error;
      if (head?.bytes === undefined) {
        // A consumer that is faster than the file: more is read ahead for it.
        if (this.#window < PIECES_MAX) this.#window *= 2;
        this.#fill();
        return null;
      }
      const { bytes } = head;
      this.#pieces.shift();
      if (bytes.length < head.length) {
        if (bytes.length === 0 && head.inTurn) return this.#end();
        this.#mendGap(head, bytes.length);
      }
      // By halves: one batch for several pieces.
      if (this.#pieces.length <= this.#window / 2) this.#fill();
      if (bytes.length > 0) return bytes;
    }
  }

  /** Calls `callback` once, when {@link take} has something to say: after it gave `null`. */
  whenThere(callback: () => void): void {
    this.#whenThere = callback;
  }

  /** Asks for the next piece. Whether there is one to ask for. */
  #ask(inTurn: boolean): boolean {
    const length = Math.min(this.#pieceBytes, this.#left);
    if (length <= 0) return false;
    this.#pieces.push(this.#begin(this.#position, length, inTurn));
    if (this.#position !== null) this.#position += length;
    this.#left -= length;
    return true;
  }

  /** Invariants 1 and 2. */
  #fill(): void {
    while (this.#pieces.length < this.#window) {
      if (this.#position === null || this.#position >= this.#aheadTo) return;
      if (!this.#ask(false)) return;
    }
  }

  /** Invariant 3. */
  #mendGap({ position, length }: Piece, got: number): void {
    const missing = length - got;
    if (this.#pieces.length > 0 && position !== null) {
      this.#pieces.unshift(this.#begin(position + got, missing, true));
      return;
    }
    this.#left += missing;
    if (position !== null) this.#position = position + got;
  }

  #end(): undefined {
    this.#left = 0;
    this.#pieces.length = 0;
    return undefined;
  }

  #begin(position: number | null, length: number, inTurn: boolean): Piece {
    const piece: Piece = { position, length, inTurn, bytes: undefined, error: undefined };
    void this.#settle(
      piece,
      this.#waits ? this.#waitAndRead(length) : this.#read(length, position),
    );
    return piece;
  }

  async #settle(piece: Piece, answer: Promise<Buffer>): Promise<void> {
    try {
      piece.bytes = await answer;
    } catch (error) {
      piece.error = error as Error;
    }
    this.#tell(piece);
  }

  #tell(piece: Piece): void {
    if (piece !== this.#pieces[0]) return;
    const callback = this.#whenThere;
    this.#whenThere = undefined;
    callback?.();
  }

  #read(length: number, position: Position): Promise<Buffer> {
    return this.#lane.readOwned(this.#file, length, position, this.#call);
  }

  /** Invariant 4. */
  async #waitAndRead(length: number): Promise<Buffer> {
    await untilReadable(this.#lane, this.#file, this.#call);
    return this.#read(length, null);
  }
}

/** Whether a read may have to wait for somebody who writes. */
export function comesSlowly(stats: Stats | BigIntStats): boolean {
  return stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket();
}

/** Waits until there is something to read, or the end. A wait can be given up without losing a byte. */
export async function untilReadable(lane: Lane, file: OpenFile, call: CallOptions): Promise<void> {
  await lane.pollAdd(file, POLLIN, call);
}

/** Whether a file opened so answers at once where there is nothing to read yet. */
export function isNonBlocking(flags: number): boolean {
  return (flags & constants.O_NONBLOCK) !== 0;
}
