/** Texts of /proc and /sys, taken apart. Pure functions: samples of each are in the tests. */

/** A soft and a hard limit; `null` means unlimited. */
export interface Limit {
  readonly soft: number | null;
  readonly hard: number | null;
}

/** A row of `/proc/PID/limits`, such as `Max locked memory`; `undefined` when it is not there. */
export function parseLimit(limits: string, name: string): Limit | undefined {
  const row = limits.split('\n').find((line) => line.startsWith(`${name} `));
  const [soft, hard] = row?.slice(name.length).trim().split(/\s+/) ?? [];
  const softValue = parseLimitValue(soft);
  const hardValue = parseLimitValue(hard);
  if (softValue === undefined || hardValue === undefined) return undefined;
  return { soft: softValue, hard: hardValue };
}

function parseLimitValue(text: string | undefined): number | null | undefined {
  if (text === 'unlimited') return null;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A field of `/proc/PID/status`, such as `Seccomp`. */
export function parseStatusField(status: string, name: string): string | undefined {
  const row = status.split('\n').find((line) => line.startsWith(`${name}:`));
  return row?.slice(name.length + 1).trim();
}

/** What `Seccomp:` of `/proc/PID/status` says. */
export type SeccompMode = 'disabled' | 'strict' | 'filter' | 'unknown';

const SECCOMP_MODES: readonly SeccompMode[] = ['disabled', 'strict', 'filter'];

/** The seccomp mode of a process, from its `/proc/PID/status`. */
export function parseSeccomp(status: string): SeccompMode {
  const value = parseStatusField(status, 'Seccomp');
  return value === undefined ? 'unknown' : (SECCOMP_MODES[Number(value)] ?? 'unknown');
}

/** Numbers of capabilities, from linux/capability.h. */
export const capabilityBit = { ipcLock: 14n, sysAdmin: 21n } as const;

/** Whether a process has a capability in force, from its `/proc/PID/status`. */
export function parseCapability(status: string, bit: bigint): boolean {
  const mask = parseStatusField(status, 'CapEff') ?? '';
  return /^[\da-f]+$/i.test(mask) && ((BigInt(`0x${mask}`) >> bit) & 1n) === 1n;
}

/** A sysctl that holds one number; `undefined` when it does not. */
export function parseNumber(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^-?\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

const CONTAINER_MARKS = [
  ['kubepods', 'Kubernetes'],
  ['docker', 'Docker'],
  ['containerd', 'containerd'],
  ['libpod', 'Podman'],
  ['lxc', 'LXC'],
  ['machine.slice', 'systemd-nspawn or a virtual machine'],
] as const;

/** The container engine that a path of `/proc/self/cgroup` gives away. */
export function parseCgroupEngine(cgroup: string): string | undefined {
  return CONTAINER_MARKS.find(([mark]) => cgroup.includes(mark))?.[1];
}

/** A kernel version as `[major, minor]`, from a release such as `6.12.107-cloud-amd64`. */
export function parseKernelVersion(release: string): readonly [number, number] | undefined {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}
