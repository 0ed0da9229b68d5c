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
  readonly answer: Promise<Buffer>;
  /** Whether it was begun when everything before it was delivered. */
  readonly inTurn: boolean;
  isThere: boolean;
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
    const comes = stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket();
    const waits = comes && extent.start === null && extent.nonBlocking !== true;
    return new ReadAhead(lane, file, extent, signal, size, waits);
  }

  /** The next bytes; `undefined` at the end. Called again only when the last call is answered. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const head = this.#pieces[0];
      // A consumer that is faster than the file: more is read ahead for it.
      if (head?.isThere !== true && this.#window < PIECES_MAX) this.#window *= 2;
      if (head === undefined && !this.#ask(true)) return undefined;
      this.#fill();
      const piece = this.#pieces[0] as Piece;
      const bytes = await piece.answer;
      this.#pieces.shift();
      if (bytes.length < piece.length) {
        if (bytes.length === 0 && piece.inTurn) return this.#end();
        this.#mendGap(piece, bytes.length);
      }
      if (bytes.length > 0) return bytes;
    }
  }

  /** Asks for the next piece. Whether there is one to ask for. */
  #ask(inTurn: boolean): boolean {
    const length = Math.min(this.#pieceBytes, this.#left);
    if (length <= 0) return false;
    this.#pieces.push(this.#begin(this.#position, length, inTurn));
    if (this.#position !== null) this.#position += length;
    // At the file's own position what comes short is not asked for again: see `#mendGap`.
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
  #mendGap(piece: Piece, got: number): void {
    const length = piece.length - got;
    if (piece.position === null) {
      this.#left += length;
    } else if (this.#pieces.length === 0) {
      this.#left += length;
      this.#position = piece.position + got;
    } else {
      this.#pieces.unshift(this.#begin(piece.position + got, length, true));
    }
  }

  #end(): undefined {
    this.#left = 0;
    // What is beyond has no one to answer to: `#begin` sees to its errors.
    this.#pieces.length = 0;
    return undefined;
  }

  #begin(position: number | null, length: number, inTurn: boolean): Piece {
    const answer = this.#waits ? this.#waitAndRead(length) : this.#read(length, position);
    const piece: Piece = { position, length, answer, inTurn, isThere: false };
    const markThere = (): void => {
      piece.isThere = true;
    };
    answer.then(markThere, markThere);
    return piece;
  }

  #read(length: number, position: Position): Promise<Buffer> {
    return this.#lane.readOwned(this.#file, length, position, this.#call);
  }

  /** Invariant 4. */
  async #waitAndRead(length: number): Promise<Buffer> {
    await this.#lane.pollAdd(this.#file, POLLIN, this.#call);
    return this.#read(length, null);
  }
}

/** Whether a file opened so answers at once where there is nothing to read yet. */
export function isNonBlocking(flags: number): boolean {
  return (flags & constants.O_NONBLOCK) !== 0;
}
