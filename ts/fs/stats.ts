/**
 * What `stat` gives: the kernel's `struct statx`, read into the fields that Node's classes have.
 *
 * The fields are plain and own, in Node's order, because programs print, clone and serialise them.
 */

import { constants, Stats as NodeStats } from 'node:fs';
import type { BigIntStats as NodeBigIntStatsType, Stats as NodeStatsType } from 'node:fs';
import { Statx } from '../generated/abi.ts';

/** A moment as Temporal has it; only runtimes that have Temporal can give one. */
type Instant = NodeStatsType['atimeInstant'];
type InstantClass = new (epochNanoseconds: bigint) => Instant;

/**
 * A constructor that does nothing and whose instances inherit from Node's `Stats`: `isFile()`, the
 * lazy dates and `instanceof fs.Stats` come from there. Node's own constructor warns when called.
 */
const Inherited: new () => NodeStatsType = (() => {
  function Blank(): void {}
  Blank.prototype = NodeStats.prototype;
  return Blank as unknown as new () => NodeStatsType;
})();

/** What `stat`, `lstat` and `FileHandle.stat` give. */
export class Stats extends Inherited {
  readonly #atimeNs: number;
  readonly #mtimeNs: number;
  readonly #ctimeNs: number;
  readonly #birthtimeNs: number;

  /** Reads the `struct statx` at `at`. */
  constructor(view: DataView, at: number) {
    super();
    this.dev = deviceAt(view, at + Statx.DEV_MAJOR);
    this.mode = view.getUint16(at + Statx.MODE, true);
    this.nlink = view.getUint32(at + Statx.NLINK, true);
    this.uid = view.getUint32(at + Statx.UID, true);
    this.gid = view.getUint32(at + Statx.GID, true);
    this.rdev = deviceAt(view, at + Statx.RDEV_MAJOR);
    this.blksize = view.getUint32(at + Statx.BLKSIZE, true);
    this.ino = uint64At(view, at + Statx.INO);
    this.size = uint64At(view, at + Statx.SIZE);
    this.blocks = uint64At(view, at + Statx.BLOCKS);
    this.#atimeNs = view.getUint32(at + Statx.ATIME + 8, true);
    this.#mtimeNs = view.getUint32(at + Statx.MTIME + 8, true);
    this.#ctimeNs = view.getUint32(at + Statx.CTIME + 8, true);
    this.#birthtimeNs = view.getUint32(at + Statx.BTIME + 8, true);
    this.atimeMs = secondsAt(view, at + Statx.ATIME) * 1000 + this.#atimeNs / 1e6;
    this.mtimeMs = secondsAt(view, at + Statx.MTIME) * 1000 + this.#mtimeNs / 1e6;
    this.ctimeMs = secondsAt(view, at + Statx.CTIME) * 1000 + this.#ctimeNs / 1e6;
    this.birthtimeMs = secondsAt(view, at + Statx.BTIME) * 1000 + this.#birthtimeNs / 1e6;
  }

  /** Turns a field's milliseconds and its nanoseconds into an Instant. */
  static #instant(ms: number, ns: number): Instant {
    return instantOf(BigInt(Math.floor(ms / 1000)) * 1_000_000_000n + BigInt(ns));
  }

  static {
    // In the base type they are fields; an accessor may not take their place in a class body.
    lazily(this.prototype, {
      atimeInstant: (stats) => Stats.#instant(stats.atimeMs, stats.#atimeNs),
      mtimeInstant: (stats) => Stats.#instant(stats.mtimeMs, stats.#mtimeNs),
      ctimeInstant: (stats) => Stats.#instant(stats.ctimeMs, stats.#ctimeNs),
      birthtimeInstant: (stats) => Stats.#instant(stats.birthtimeMs, stats.#birthtimeNs),
    });
  }
}

/** What they give with `bigint: true`: every number a bigint, and the times in nanoseconds too. */
export class BigIntStats implements NodeBigIntStatsType {
  dev: bigint;
  mode: bigint;
  nlink: bigint;
  uid: bigint;
  gid: bigint;
  rdev: bigint;
  blksize: bigint;
  ino: bigint;
  size: bigint;
  blocks: bigint;
  atimeMs: bigint;
  mtimeMs: bigint;
  ctimeMs: bigint;
  birthtimeMs: bigint;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  birthtimeNs: bigint;
  declare atime: Date;
  declare mtime: Date;
  declare ctime: Date;
  declare birthtime: Date;
  declare atimeInstant: Instant;
  declare mtimeInstant: Instant;
  declare ctimeInstant: Instant;
  declare birthtimeInstant: Instant;

  /** Reads the `struct statx` at `at`. */
  constructor(view: DataView, at: number) {
    this.dev = BigInt(deviceAt(view, at + Statx.DEV_MAJOR));
    this.mode = BigInt(view.getUint16(at + Statx.MODE, true));
    this.nlink = BigInt(view.getUint32(at + Statx.NLINK, true));
    this.uid = BigInt(view.getUint32(at + Statx.UID, true));
    this.gid = BigInt(view.getUint32(at + Statx.GID, true));
    this.rdev = BigInt(deviceAt(view, at + Statx.RDEV_MAJOR));
    this.blksize = BigInt(view.getUint32(at + Statx.BLKSIZE, true));
    this.ino = view.getBigInt64(at + Statx.INO, true);
    this.size = view.getBigInt64(at + Statx.SIZE, true);
    this.blocks = view.getBigInt64(at + Statx.BLOCKS, true);
    const atimeNs = nanosecondsAt(view, at + Statx.ATIME);
    const mtimeNs = nanosecondsAt(view, at + Statx.MTIME);
    const ctimeNs = nanosecondsAt(view, at + Statx.CTIME);
    const birthtimeNs = nanosecondsAt(view, at + Statx.BTIME);
    this.atimeMs = atimeNs / 1_000_000n;
    this.mtimeMs = mtimeNs / 1_000_000n;
    this.ctimeMs = ctimeNs / 1_000_000n;
    this.birthtimeMs = birthtimeNs / 1_000_000n;
    this.atimeNs = atimeNs;
    this.mtimeNs = mtimeNs;
    this.ctimeNs = ctimeNs;
    this.birthtimeNs = birthtimeNs;
  }

  isDirectory(): boolean {
    return this.#is(constants.S_IFDIR);
  }
  isFile(): boolean {
    return this.#is(constants.S_IFREG);
  }
  isBlockDevice(): boolean {
    return this.#is(constants.S_IFBLK);
  }
  isCharacterDevice(): boolean {
    return this.#is(constants.S_IFCHR);
  }
  isSymbolicLink(): boolean {
    return this.#is(constants.S_IFLNK);
  }
  isFIFO(): boolean {
    return this.#is(constants.S_IFIFO);
  }
  isSocket(): boolean {
    return this.#is(constants.S_IFSOCK);
  }

  #is(kind: number): boolean {
    return (Number(this.mode) & constants.S_IFMT) === kind;
  }

  static {
    lazily(this.prototype, {
      atime: (stats) => new Date(Number(stats.atimeMs)),
      mtime: (stats) => new Date(Number(stats.mtimeMs)),
      ctime: (stats) => new Date(Number(stats.ctimeMs)),
      birthtime: (stats) => new Date(Number(stats.birthtimeMs)),
      atimeInstant: (stats) => instantOf(stats.atimeNs),
      mtimeInstant: (stats) => instantOf(stats.mtimeNs),
      ctimeInstant: (stats) => instantOf(stats.ctimeNs),
      birthtimeInstant: (stats) => instantOf(stats.birthtimeNs),
    });
  }
}

/** Reads the `struct statx` that begins at `byteOffset`. */
export function decodeStats(view: DataView, byteOffset: number): Stats {
  return new Stats(view, byteOffset);
}

/** Reads the `struct statx` that begins at `byteOffset`, every number as a bigint. */
export function decodeBigIntStats(view: DataView, byteOffset: number): BigIntStats {
  return new BigIntStats(view, byteOffset);
}

/**
 * Fields that are worked out when they are first looked at and are own fields from then on; until
 * then they are on the prototype, so that they are neither printed nor serialised.
 */
function lazily<S extends object>(
  prototype: S,
  fields: { readonly [name: string]: (stats: S) => unknown },
): void {
  for (const [name, valueOf] of Object.entries(fields)) {
    const own = (stats: S, value: unknown): unknown => {
      Object.defineProperty(stats, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
      return value;
    };
    Object.defineProperty(prototype, name, {
      get(this: S): unknown {
        return own(this, valueOf(this));
      },
      set(this: S, value: unknown) {
        own(this, value);
      },
      enumerable: true,
      configurable: true,
    });
  }
}

function instantOf(nanoseconds: bigint): Instant {
  const { Temporal } = globalThis as { Temporal?: { Instant: InstantClass } };
  if (Temporal === undefined) {
    throw new Error('this runtime has no Temporal: use the Date or the milliseconds instead');
  }
  return new Temporal.Instant(nanoseconds);
}

/** A device number as the C library's makedev packs it; up to 44 bits are in use, so no shifts. */
function deviceAt(view: DataView, at: number): number {
  const major = view.getUint32(at, true);
  const minor = view.getUint32(at + 4, true);
  const low = ((major & 0xfff) << 8) | (minor & 0xff);
  return low + (minor >>> 8) * 2 ** 20 + (major >>> 12) * 2 ** 44;
}

function uint64At(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** Files may be older than 1970. */
function secondsAt(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function nanosecondsAt(view: DataView, at: number): bigint {
  return view.getBigInt64(at, true) * 1_000_000_000n + BigInt(view.getUint32(at + 8, true));
}
