/** From facts to advice: what stands in io_uring's way here, and what to do. Pure functions. */

import { binaryBytes } from '../text.ts';
import type { Library } from './library.ts';
import type { Machine } from './machine.ts';
import { parseKernelVersion } from './parse.ts';

/** One thing worth doing something about. */
export interface Advice {
  readonly problem: string;
  readonly hint: string;
}

/** Rings of 32 Workers and some registered buffers fit into this much. */
const MEMLOCK_COMFORTABLE = 8 * 1024 * 1024;
/** A server with a thousand connections and its files fits into this many. */
const NOFILE_COMFORTABLE = 4096;
/** The oldest kernel whose io_uring has what most of Wakering's operations need. */
const KERNEL_MIN = [6, 1] as const;
/** Kernels that charge the memory of rings to the user's locked memory. */
const RINGS_COUNT_FROM = [6, 16] as const;
const RINGS_COUNT_BEFORE = [7, 2] as const;

/** Everything that could be better on this machine, the gravest first. */
export function diagnose(machine: Machine, library: Library): Advice[] {
  return [
    ...adviseOnLibrary(library),
    ...adviseOnSysctl(machine),
    ...adviseOnSandbox(machine, library),
    ...adviseOnKernel(machine),
    ...adviseOnMemlock(machine),
    ...adviseOnNofile(machine),
  ];
}

function adviseOnLibrary(library: Library): Advice[] {
  if (library.problem === undefined) return [];
  return [
    {
      problem: `Wakering cannot run here: ${library.problem}`,
      hint: 'the message above names the cause; after repairing it, run wakering doctor again',
    },
  ];
}

function adviseOnSysctl({ sysctl, user }: Machine): Advice[] {
  if (sysctl.ioUringDisabled === 2) {
    return [
      {
        problem: 'the administrator has disabled io_uring for everybody',
        hint: 'as root: sysctl kernel.io_uring_disabled=0 (in a file of /etc/sysctl.d to keep it)',
      },
    ];
  }
  const { ioUringGroup } = sysctl;
  const isMember = ioUringGroup !== undefined && user.groups.includes(ioUringGroup);
  if (sysctl.ioUringDisabled !== 1 || user.isAdministrator || isMember) return [];
  const group = ioUringGroup === undefined || ioUringGroup < 0 ? 'no group' : `gid ${ioUringGroup}`;
  return [
    {
      problem: `io_uring is reserved for administrators and one group (${group}), not this user`,
      hint:
        'as root: set kernel.io_uring_group to a group of this user, ' +
        'or sysctl kernel.io_uring_disabled=0',
    },
  ];
}

function adviseOnSandbox(machine: Machine, library: Library): Advice[] {
  const refused = library.capabilities !== undefined && library.capabilities.driver !== 'uring';
  const explained = machine.sysctl.ioUringDisabled === 1 || machine.sysctl.ioUringDisabled === 2;
  if (!refused || explained || library.requestedDriver !== undefined) return [];
  if (machine.seccomp !== 'filter') return [];
  const place = machine.container.length > 0 ? 'the container' : 'the sandbox';
  return [
    {
      problem: `${place} has a seccomp filter, and the driver is not io_uring`,
      hint:
        'allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile ' +
        '(Docker: --security-opt seccomp=PROFILE.json; Kubernetes: securityContext.seccompProfile)',
    },
  ];
}

function adviseOnKernel({ kernel, platform }: Machine): Advice[] {
  if (!platform.startsWith('linux')) {
    return [
      { problem: `this is ${platform}, not Linux`, hint: 'run it on Linux or in a Linux VM' },
    ];
  }
  const version = parseKernelVersion(kernel);
  if (version === undefined || !isBefore(version, KERNEL_MIN)) return [];
  return [
    {
      problem: `Linux ${kernel} is older than ${KERNEL_MIN.join('.')}`,
      hint: 'a newer kernel brings the operations that are listed with "no" above',
    },
  ];
}

function adviseOnMemlock({ kernel, limits, user }: Machine): Advice[] {
  const soft = limits.memlock?.soft;
  if (soft === undefined || soft === null || soft >= MEMLOCK_COMFORTABLE || user.mayLockMemory) {
    return [];
  }
  const version = parseKernelVersion(kernel);
  const ringsCount =
    version !== undefined &&
    !isBefore(version, RINGS_COUNT_FROM) &&
    isBefore(version, RINGS_COUNT_BEFORE);
  const what = ringsCount ? 'rings and registered buffers' : 'registered buffers';
  return [
    {
      problem: `only ${binaryBytes(soft)} of memory may be locked, and ${what} count against it`,
      hint: 'raise it: ulimit -l, LimitMEMLOCK= of systemd, or --ulimit memlock=-1 of Docker',
    },
  ];
}

function adviseOnNofile({ limits }: Machine): Advice[] {
  const soft = limits.nofile?.soft;
  if (soft === undefined || soft === null || soft >= NOFILE_COMFORTABLE) return [];
  return [
    {
      problem: `only ${soft} files may be open at a time`,
      hint: 'raise it: ulimit -n 65536, LimitNOFILE= of systemd, or --ulimit nofile= of Docker',
    },
  ];
}

function isBefore(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}
