/** What Wakering's contenders bring. */

import { availableParallelism } from 'node:os';
import { Runtime } from 'wakering';
import type { Lease, Ops, RuntimeOptions } from 'wakering';
import { pause } from '../support/fixtures.ts';
import { plainMemory } from './kits-node.ts';
import type { Kit, KitFile, KitFs } from './works/work.ts';

/** Who carries the operations out, as `--driver` says it. */
export type Driver = NonNullable<RuntimeOptions['driver']>;

/** Milliseconds after which the thread of SQPOLL sleeps, and a little more. */
const SQPOLL_IDLE_MS = 50;
const SQPOLL_QUIET_MS = 60;
const HOUR_MS = 3_600_000;

/** Makes a kit; each has a runtime of its own. */
export const wakeringKits = {
  /** `wakering/fs`, on ordinary buffers: what a program gets that changes its import only. */
  wakering: (driver: Driver): Kit => ofFs('wakering', new Runtime({ driver })),
  /** The same on leased memory. */
  'wakering-lease': (driver: Driver): Kit => {
    const runtime = new Runtime({ driver });
    return { ...ofFs('wakering-lease', runtime), ...leases(runtime) };
  },
  /** `runtime.ops` on leased memory. */
  'wakering-op': (driver: Driver): Kit => ofOps('wakering-op', new Runtime({ driver })),
  /** The ring alone: nothing is tried without it. */
  'wakering-ring': (_driver: Driver): Kit => ringOnly('wakering-ring', {}),
  /** The ring, and its submissions through a kernel thread on the last CPU. */
  'wakering-sqpoll': (_driver: Driver): Kit => {
    const cpu = availableParallelism() - 1;
    const sqpoll = { cpu, idle: SQPOLL_IDLE_MS, share: false };
    return {
      ...ringOnly('wakering-sqpoll', { sqpoll }),
      quiet: () => pause(SQPOLL_QUIET_MS),
    };
  },
} as const;

/** The name of one of them. */
export type WakeringKit = keyof typeof wakeringKits;

function ofFs(name: string, runtime: Runtime): Kit {
  const { fs } = runtime as unknown as { fs: KitFs };
  return {
    name,
    fs,
    memory: plainMemory,
    ...streams(fs),
    sleep: (ms) => runtime.time.sleep(ms),
    systemCalls: () => systemCalls(runtime),
    close: () => runtime.close(),
  };
}

/** `createReadStream` where this version has one. */
function streams(fs: object): Pick<Kit, 'createReadStream'> {
  if (!('createReadStream' in fs)) return {};
  const { createReadStream } = fs as Required<Pick<Kit, 'createReadStream'>>;
  return { createReadStream: (path) => createReadStream(path) };
}

function ofOps(name: string, runtime: Runtime): Kit {
  const { ops } = runtime;
  return {
    name,
    fs: fsOfOps(ops),
    ...leases(runtime),
    sleep: (ms) => ops.sleep(ms),
    nop: () => ops.nop(),
    systemCalls: () => systemCalls(runtime),
    close: () => runtime.close(),
  };
}

/** The few functions of {@link KitFs} that are one operation each. */
function fsOfOps(ops: Ops): KitFs {
  const open = async (path: string, flags: number): Promise<KitFile> => {
    const file = await ops.open(path, flags, 0o666);
    return {
      read: (view, offset, length, position) => ops.read(file, view, offset, length, position),
      write: (view, offset, length, position) => ops.write(file, view, offset, length, position),
      close: () => ops.close(file),
    };
  };
  const stat: KitFs['stat'] = (path) =>
    ops.statPath(path, true, false) as ReturnType<KitFs['stat']>;
  return { open, stat } as unknown as KitFs;
}

/**
 * A lonely read is tried without the ring, unless something is under way in it: here, a long sleep.
 * That every read took the ring is looked at in the end.
 */
function ringOnly(name: string, options: RuntimeOptions): Kit {
  const runtime = new Runtime({ driver: 'uring', ...options });
  const kit = ofOps(name, runtime);
  const held = runtime.ops.sleep(HOUR_MS);
  const woken = held.catch(() => {});
  const close = async (): Promise<void> => {
    const { inline, worker, pool } = runtime.metrics().lanes;
    held.cancel();
    await woken;
    await kit.close();
    const astray = inline + worker + pool;
    if (astray > 0) throw new Error(`${name}: ${astray} operations did not take the ring`);
  };
  return { ...kit, close };
}

function leases(runtime: Runtime): Pick<Kit, 'memory'> {
  // They end with the runtime; leased memory begins with a page.
  const memory = (bytes: number, count: number): Buffer[] =>
    Array.from({ length: count }, (): Lease => runtime.lease(bytes)).map(({ view }) => view);
  return { memory };
}

function systemCalls(runtime: Runtime): number {
  const { enters, lanes, cachedMisses } = runtime.metrics();
  // What is tried on this thread is a system call of its own; each of the pool's is one at least.
  return enters + lanes.inline + cachedMisses + lanes.pool;
}
