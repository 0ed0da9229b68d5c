/** `wakering doctor`: what it reads, what it makes of it, what it prints. */

import test from 'ava';
import { diagnose } from '#cli/doctor/diagnose';
import type { Library } from '#cli/doctor/library';
import { readMachine } from '#cli/doctor/machine';
import type { Machine } from '#cli/doctor/machine';
import {
  capabilityBit,
  parseCapability,
  parseCgroupEngine,
  parseKernelVersion,
  parseLimit,
  parseNumber,
  parseSeccomp,
} from '#cli/doctor/parse';
import { renderFindings } from '#cli/doctor/render';
import * as cli from './support/cli.js';

const limits = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
Max locked memory         8388608              unlimited            bytes
`;

test('limits: numbers, unlimited, a row that is not there', (t) => {
  t.deepEqual(parseLimit(limits, 'Max open files'), { soft: 1024, hard: 524_288 });
  t.deepEqual(parseLimit(limits, 'Max locked memory'), { soft: 8_388_608, hard: null });
  t.is(parseLimit(limits, 'Max pending signals'), undefined);
  t.is(parseLimit('', 'Max open files'), undefined);
  t.is(parseLimit('Max open files  what  ever', 'Max open files'), undefined);
});

test('seccomp modes', (t) => {
  t.is(parseSeccomp('Name:\tnode\nSeccomp:\t0\nSeccomp_filters:\t0\n'), 'disabled');
  t.is(parseSeccomp('Seccomp:\t1\n'), 'strict');
  t.is(parseSeccomp('Name:\tnode\nSeccomp:\t2\nSeccomp_filters:\t1\n'), 'filter');
  t.is(parseSeccomp('Seccomp:\t9\n'), 'unknown');
  t.is(parseSeccomp(''), 'unknown');
});

test('capabilities', (t) => {
  const { ipcLock, sysAdmin } = capabilityBit;
  const root = 'CapEff:\t000001ffffffffff\n';
  const docker = 'CapPrm:\t000001ffffffffff\nCapEff:\t00000000a80425fb\n';
  t.true(parseCapability(root, ipcLock));
  t.true(parseCapability(root, sysAdmin));
  t.false(parseCapability(docker, ipcLock));
  t.false(parseCapability(docker, sysAdmin));
  t.false(parseCapability('CapEff:\tnonsense\n', ipcLock));
  t.false(parseCapability('', ipcLock));
});

test('sysctls', (t) => {
  t.is(parseNumber('2\n'), 2);
  t.is(parseNumber('-1\n'), -1);
  t.is(parseNumber(''), undefined);
  t.is(parseNumber(undefined), undefined);
});

test('container engines in cgroup paths', (t) => {
  t.is(parseCgroupEngine('0::/\n'), undefined);
  t.is(parseCgroupEngine('0::/user.slice/user-1000.slice/session-2.scope\n'), undefined);
  t.is(parseCgroupEngine('12:pids:/docker/0123456789abcdef\n'), 'Docker');
  t.is(parseCgroupEngine('0::/kubepods/besteffort/pod1/docker-2.scope\n'), 'Kubernetes');
  t.is(parseCgroupEngine('0::/machine.slice/libpod-12.scope/container\n'), 'Podman');
});

test('kernel versions', (t) => {
  t.deepEqual(parseKernelVersion('6.12.107-cloud-amd64'), [6, 12]);
  t.deepEqual(parseKernelVersion('7.3-rc7'), [7, 3]);
  t.is(parseKernelVersion('unknown'), undefined);
});

test('a machine is read from its files', (t) => {
  const files: Record<string, string> = {
    '/proc/self/limits': limits,
    '/proc/self/status': 'CapEff:\t0000000000004000\nSeccomp:\t2\n',
    '/proc/self/cgroup': '0::/kubepods/x\n',
    '/proc/sys/kernel/io_uring_disabled': '1\n',
    '/proc/sys/kernel/io_uring_group': '27\n',
  };
  const machine = readMachine({
    read: (path) => files[path],
    exists: (path) => path === '/.dockerenv',
  });
  t.like(machine, {
    limits: { memlock: { soft: 8_388_608, hard: null }, nofile: { soft: 1024, hard: 524_288 } },
    seccomp: 'filter',
    user: { mayLockMemory: true, isAdministrator: false },
    sysctl: { ioUringDisabled: 1, ioUringGroup: 27 },
  });
  t.deepEqual(machine.container, [
    '/.dockerenv is there (Docker)',
    '/proc/self/cgroup names Kubernetes',
  ]);
});

test('a machine that tells nothing is described all the same', (t) => {
  const machine = readMachine({ read: () => undefined, exists: () => false });
  t.like(machine, { container: [], seccomp: 'unknown' });
  const text = renderFindings(machine, healthyLibrary, []);
  t.regex(text, /memlock +unknown/);
  t.regex(text, /io_uring_disabled is not there \(older than Linux 6\.6\)/);
});

const plainUser = { uid: 1000, groups: [1000], mayLockMemory: false, isAdministrator: false };

const healthy: Machine = {
  kernel: '6.12.107',
  node: 'v26.0.0',
  platform: 'linux x64',
  cpus: { model: 'a processor', count: 8, usable: 4 },
  limits: {
    memlock: { soft: 8 * 2 ** 20, hard: null },
    nofile: { soft: 65_536, hard: 65_536 },
  },
  user: plainUser,
  container: [],
  seccomp: 'disabled',
  sysctl: { ioUringDisabled: 0, ioUringGroup: -1 },
};

const healthyLibrary: Library = {
  capabilities: {
    driver: 'uring',
    reason: 'this kernel offers io_uring',
    features: {
      sqpoll: { available: true },
      ftruncate: { available: false, reason: 'opcode 55 is not known (EINVAL)' },
    },
  },
  problem: undefined,
  requestedDriver: undefined,
};

const onPoll: Library = {
  ...healthyLibrary,
  capabilities: { driver: 'poll', reason: 'io_uring_setup was refused (EPERM)', features: {} },
};

function problems(machine: Machine, library: Library = healthyLibrary): string[] {
  return diagnose(machine, library).map(({ problem }) => problem);
}

test('a healthy machine gets no advice', (t) => {
  t.deepEqual(problems(healthy), []);
});

test('io_uring disabled by sysctl: for all, or for all but a group', (t) => {
  const disabled = (ioUringDisabled: number): Machine => ({
    ...healthy,
    sysctl: { ioUringDisabled, ioUringGroup: 27 },
  });
  t.regex(problems(disabled(2)).join(), /disabled io_uring for everybody/);
  t.regex(problems(disabled(1)).join(), /administrators and one group \(gid 27\)/);
  t.deepEqual(problems({ ...disabled(1), user: { ...plainUser, groups: [1000, 27] } }), []);
  t.deepEqual(problems({ ...disabled(1), user: { ...plainUser, isAdministrator: true } }), []);
});

test('a seccomp filter is suspected only where nothing else explains the driver', (t) => {
  const filtered: Machine = { ...healthy, seccomp: 'filter' };
  t.regex(problems(filtered, onPoll).join(), /the sandbox has a seccomp filter/);
  t.regex(
    problems({ ...filtered, container: ['/.dockerenv is there (Docker)'] }, onPoll).join(),
    /the container has a seccomp filter/,
  );
  t.deepEqual(problems(filtered), []);
  t.deepEqual(problems(filtered, { ...onPoll, requestedDriver: 'poll' }), []);
  t.deepEqual(problems(healthy, onPoll), []);
});

test('locked memory: who it binds, and what counts against it on which kernel', (t) => {
  const small = (kernel: string, mayLockMemory = false): Machine => ({
    ...healthy,
    kernel,
    user: { ...plainUser, mayLockMemory },
    limits: { ...healthy.limits, memlock: { soft: 65_536, hard: 65_536 } },
  });
  t.deepEqual(problems(small('6.12.1')), [
    'only 64 KiB of memory may be locked, and registered buffers count against it',
  ]);
  t.deepEqual(problems(small('6.18.1')), [
    'only 64 KiB of memory may be locked, and rings and registered buffers count against it',
  ]);
  t.deepEqual(problems(small('7.2.0')), [
    'only 64 KiB of memory may be locked, and registered buffers count against it',
  ]);
  t.deepEqual(problems(small('6.18.1', true)), []);
});

test('few descriptors, an old kernel, another system, a library that does not start', (t) => {
  const nofile = { ...healthy, limits: { ...healthy.limits, nofile: { soft: 256, hard: 256 } } };
  t.deepEqual(problems(nofile), ['only 256 files may be open at a time']);
  t.deepEqual(problems({ ...healthy, kernel: '5.10.0' }), ['Linux 5.10.0 is older than 6.1']);
  t.deepEqual(problems({ ...healthy, platform: 'darwin arm64' }), [
    'this is darwin arm64, not Linux',
  ]);
  t.deepEqual(
    problems(healthy, { capabilities: undefined, problem: 'no addon', requestedDriver: undefined }),
    ['Wakering cannot run here: no addon'],
  );
});

test('the text names every feature with yes or why not, the backend, and what to do', (t) => {
  const advice = [{ problem: 'something is wrong', hint: 'do this' }];
  const text = renderFindings(healthy, healthyLibrary, advice);
  t.regex(text, /^ {2}cpus +8 x a processor, 4 usable here$/m);
  t.regex(text, /^ {2}sqpoll +yes$/m);
  t.regex(text, /^ {2}ftruncate +no: opcode 55 is not known \(EINVAL\)$/m);
  t.regex(text, /^ {2}memlock +soft 8 MiB, hard unlimited$/m);
  t.regex(text, /^ {2}driver +uring$/m);
  t.regex(text, /^ {2}because +this kernel offers io_uring$/m);
  t.regex(text, /^ {2}- something is wrong\n {4}do this$/m);
});

test('wakering doctor prints its sections', async (t) => {
  const { code, stderr, stdout } = await cli.runCli(['doctor']);
  t.is(code, 0, stderr);
  const titles = stdout.toString().match(/^\w+$/gm);
  t.deepEqual(titles, ['Machine', 'io_uring', 'Limits', 'Sandbox', 'Backend', 'Advice']);
});

test('wakering doctor --json is one object with the same findings', async (t) => {
  const { code, stderr, stdout } = await cli.runCli(['doctor', '--json']);
  t.is(code, 0, stderr);
  const findings = JSON.parse(stdout.toString());
  t.is(findings.node, process.version);
  t.true(findings.limits.nofile.soft === null || findings.limits.nofile.soft > 0);
  t.regex(findings.capabilities.driver, /^(?:uring|poll)$/);
  t.true(findings.capabilities.reason.length > 0);
  t.true(Array.isArray(findings.advice));
});

test('wakering doctor shows the driver that WAKERING_DRIVER asks for, and why', async (t) => {
  const env = { WAKERING_DRIVER: 'poll' };
  const { code, stderr, stdout } = await cli.runCli(['doctor'], { env });
  t.is(code, 0, stderr);
  t.regex(stdout.toString(), /^ {2}WAKERING_DRIVER +poll$/m);
  t.regex(stdout.toString(), /^ {2}driver +poll$/m);
});
