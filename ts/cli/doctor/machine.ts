/** What the system itself tells about this machine and this process. Reads, judges nothing. */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import {
  capabilityBit,
  parseCapability,
  parseCgroupEngine,
  parseLimit,
  parseNumber,
  parseSeccomp,
} from './parse.ts';
import type { Limit, SeccompMode } from './parse.ts';

/** The facts that a diagnosis draws on. */
export interface Machine {
  readonly kernel: string;
  readonly node: string;
  readonly platform: string;
  readonly cpus: { readonly model: string; readonly count: number; readonly usable: number };
  readonly limits: {
    readonly memlock: Limit | undefined;
    readonly nofile: Limit | undefined;
  };
  readonly user: {
    readonly uid: number;
    readonly groups: readonly number[];
    /** CAP_IPC_LOCK: the limit of locked memory does not bind. Root in a container may lack it. */
    readonly mayLockMemory: boolean;
    /** CAP_SYS_ADMIN: io_uring reserved for administrators is open. */
    readonly isAdministrator: boolean;
  };
  /** Each sign that this is a container; empty when there is none. */
  readonly container: readonly string[];
  readonly seccomp: SeccompMode;
  readonly sysctl: {
    /** 0: for all, 1: for a group and administrators, 2: for nobody. New in Linux 6.6. */
    readonly ioUringDisabled: number | undefined;
    readonly ioUringGroup: number | undefined;
  };
}

/** Where the files are; another one in tests. */
export interface Sources {
  read(path: string): string | undefined;
  exists(path: string): boolean;
}

const realSources: Sources = {
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Not there, or not for us: the findings say 'unknown'.
      return undefined;
    }
  },
  exists: (path) => existsSync(path),
};

/** Looks at everything. */
export function readMachine(sources: Sources = realSources): Machine {
  const limits = sources.read('/proc/self/limits') ?? '';
  const status = sources.read('/proc/self/status') ?? '';
  const processors = cpus();
  return {
    kernel: release(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: {
      model: processors[0]?.model.trim() ?? 'unknown',
      count: processors.length,
      usable: availableParallelism(),
    },
    limits: {
      memlock: parseLimit(limits, 'Max locked memory'),
      nofile: parseLimit(limits, 'Max open files'),
    },
    user: {
      uid: process.geteuid?.() ?? -1,
      groups: process.getgroups?.() ?? [],
      mayLockMemory: parseCapability(status, capabilityBit.ipcLock),
      isAdministrator: parseCapability(status, capabilityBit.sysAdmin),
    },
    container: containerSigns(sources),
    seccomp: parseSeccomp(status),
    sysctl: {
      ioUringDisabled: parseNumber(sources.read('/proc/sys/kernel/io_uring_disabled')),
      ioUringGroup: parseNumber(sources.read('/proc/sys/kernel/io_uring_group')),
    },
  };
}

function containerSigns(sources: Sources): string[] {
  const signs: string[] = [];
  if (sources.exists('/.dockerenv')) signs.push('/.dockerenv is there (Docker)');
  if (sources.exists('/run/.containerenv')) signs.push('/run/.containerenv is there (Podman)');
  const engine = parseCgroupEngine(sources.read('/proc/self/cgroup') ?? '');
  if (engine !== undefined) signs.push(`/proc/self/cgroup names ${engine}`);
  return signs;
}
