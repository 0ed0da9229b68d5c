/**
 * Loads the native addon: the only module that does, and the one that knows why it cannot.
 *
 * Nothing is loaded when this module is imported, so that a program may import `wakering` where it
 * cannot run and ask why.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Options of a port, already checked. */
export interface NativeOptions {
  driver: 'auto' | 'uring' | 'poll';
  slots: number;
  poolThreads: number;
  sqpoll?: { cpu?: number; idleMs?: number; weight?: number; share: boolean };
  registerBuffers: boolean;
}

/** One feature of io_uring as the addon reports it. */
export interface NativeFeature {
  name: string;
  available: boolean;
  reason?: string;
}

/** What the addon says of its driver. */
export interface NativeCapabilities {
  driver: 'uring' | 'poll';
  reason: string;
  features: NativeFeature[];
}

/** The numbers that the addon's choices depend on. */
export interface NativeThresholds {
  workerBytesMin: number;
  cachedReadBytesMax: number;
  fixedFileTransfers: number;
  spinNsMax: number;
  sharedMin: number;
  sharedMinAsleep: number;
  sharedOf: number;
}

/** The addon's counters. */
export interface NativeMetrics {
  inFlight: number;
  openHandles: number;
  enters: number;
  completed: number[];
  byLane: number[];
  cachedHits: number[];
  cachedMisses: number[];
  contents: number;
  fixedFiles: number;
  transfers: number[];
  sqpoll: number[];
  sqpollSteered?: {
    thread?: number;
    cpu?: number;
    route: string;
    idleMs: number;
    loops: number;
    sleeps?: number;
    wakeups: number;
    duty?: number;
    decisions: string[];
    warning?: string;
  };
  poolLooks: number[];
  thresholds: NativeThresholds;
  malformed: number;
  bytesRead: number;
  bytesWritten: number;
  cancels: number;
  cancelsWon: number;
  cancelsLost: number;
  withdrawn: number;
  busy: number;
  orphansClosed: number;
}

/** The addon's port; `bindings/node/src/port.rs` says what each call does. */
export interface NativePort {
  flusher(): (count: number) => number;
  lend(slab: Uint8Array): number;
  stage(slot: number, data: Uint8Array): void;
  takeOwned(slot: number): Buffer;
  copyOwned(slot: number, target: Uint8Array, offset: number): number;
  capabilities(): NativeCapabilities;
  metrics(): NativeMetrics;
  close(): number;
}

/** What the addon exports. */
export interface Native {
  /** Asks the kernel for large pages behind memory that is about to be filled. */
  wishLargePages(memory: Uint8Array): void;
  NativePort: new (
    options: NativeOptions,
    memory: Uint8Array,
    settle: (count: number) => void,
    resource: object,
  ) => NativePort;
}

/** Thrown where the addon cannot be loaded; its message says why and what to do. */
export class LoadError extends Error {
  /** `ERR_WAKERING_LOAD`. */
  readonly code = 'ERR_WAKERING_LOAD';
  override readonly name = 'LoadError';
}

let loaded: Native | undefined;

/**
 * The addon.
 *
 * @throws LoadError with the reason and what to do about it.
 */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** The addon's file name for this platform, as `napi build --platform` writes it. */
function fileName(): string {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : '';
  return `wakering.${process.platform}-${process.arch}${libc}.node`;
}

function isMusl(): boolean {
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}

function load(): Native {
  if (process.versions['bun'] !== undefined) {
    throw new LoadError(
      'wakering needs libuv, and Bun has its own loop: run it with Node.js 22.20 or newer',
    );
  }
  if (process.platform !== 'linux') {
    throw new LoadError(`wakering runs on Linux only, and this is ${process.platform}`);
  }
  const name = fileName();
  const path = fileURLToPath(new URL(`../native/${name}`, import.meta.url));
  try {
    return createRequire(import.meta.url)(path) as Native;
  } catch (cause) {
    throw new LoadError(explain(cause, name), { cause });
  }
}

function explain(cause: unknown, name: string): string {
  const { code, message } = cause as { code?: string; message?: string };
  const text = String(message ?? cause);
  if (code === 'ERR_DLOPEN_DISABLED') {
    return "wakering's native addon is refused by --permission: add --allow-addons";
  }
  if (code === 'MODULE_NOT_FOUND') {
    return `wakering has no native addon for this platform (${name}): build it with 'npm run build'`;
  }
  if (/GLIBC/.test(text)) {
    return `the C library of this system is too old for ${name}: ${text}`;
  }
  if (/wrong ELF class|Exec format error|cannot open shared object/.test(text)) {
    return `${name} does not fit this machine: ${text}; reinstall wakering for ${process.arch}`;
  }
  return `cannot load ${name}: ${text}`;
}
