/** The command line options of a guest, for every tool that boots one. */
import { GuestError } from './error.ts';
import type { GuestRun } from './guest.ts';

/** In the form that `parseArgs` of `node:util` takes. */
export const guestOptions = {
  cpus: { type: 'string' },
  mem: { type: 'string' },
  'uring-disabled': { type: 'string' },
  'refuse-uring': { type: 'string' },
  user: { type: 'string' },
  memlock: { type: 'string' },
  nofile: { type: 'string' },
  disk: { type: 'string' },
  env: { type: 'string', multiple: true },
  timeout: { type: 'string' },
} as const;

/** Their help, a line each. */
export const guestOptionsHelp = `\
  --cpus N             virtual CPUs (2)
  --mem MIB            memory; the guest's whole file system lies in it
  --uring-disabled N   set kernel.io_uring_disabled (kernel 6.6 and later): 1 or 2
  --refuse-uring E     a seccomp filter refuses io_uring: eperm, enosys, eacces or kill
  --user UID           run as this user, without capabilities (root)
  --memlock KIB        locked memory; root is exempt, so give --user as well
  --nofile N           file descriptors
  --disk SIZE          an ext4 file system of this size (512M, 2G) on /disk
  --env NAME=VALUE     set a variable (repeatable)
  --timeout SECONDS    limit, boot included`;

/** The values as `parseArgs` gives them. */
export type GuestOptionValues = {
  readonly [name in keyof typeof guestOptions]?: name extends 'env' ? string[] : string;
};

/** What the options say of a run. */
export function guestSettings(values: GuestOptionValues): Omit<GuestRun, 'kernel' | 'command'> {
  const number = (
    name: Exclude<keyof GuestOptionValues, 'env'>,
    least: number,
  ): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new GuestError(`--${name} ${text}: a whole number from ${least} up is needed`);
  };
  const refusal = values['refuse-uring'];
  if (refusal !== undefined && !['eperm', 'enosys', 'eacces', 'kill'].includes(refusal)) {
    throw new GuestError(`--refuse-uring ${refusal}: eperm, enosys, eacces or kill`);
  }
  const env = (values.env ?? []).map((pair): [string, string] => {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new GuestError(`--env ${pair}: give NAME=VALUE`);
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  const settings = {
    cpus: number('cpus', 1),
    memoryMib: number('mem', 64),
    uringDisabled: number('uring-disabled', 0),
    refuseUring: refusal,
    user: number('user', 0),
    memlockKib: number('memlock', 0),
    files: number('nofile', 1),
    disk: values.disk,
    timeoutSeconds: number('timeout', 1),
    env: Object.fromEntries(env),
  };
  // An option that was not given must not hide its default.
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Omit<GuestRun, 'kernel' | 'command'>;
}
