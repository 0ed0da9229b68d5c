/** The doctor's findings as text. Pure functions. */

import { binaryBytes } from '../text.ts';
import type { Advice } from './diagnose.ts';
import type { FeatureFinding, Library } from './library.ts';
import type { Machine } from './machine.ts';
import type { Limit } from './parse.ts';

const LABEL_WIDTH = 18;

/** All findings, section by section, the advice last. */
export function renderFindings(machine: Machine, library: Library, advice: Advice[]): string {
  const sections = [
    section('Machine', machineRows(machine)),
    section('io_uring', ioUringRows(machine, library)),
    section('Limits', limitRows(machine)),
    section('Sandbox', sandboxRows(machine)),
    section('Backend', backendRows(library)),
    section('Advice', adviceRows(advice)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function section(title: string, rows: readonly string[]): string {
  return [title, ...rows.map((text) => `  ${text}`)].join('\n');
}

function row(label: string, value: string): string {
  return `${label.padEnd(LABEL_WIDTH)} ${value}`;
}

function machineRows({ cpus, kernel, node, platform, user }: Machine): string[] {
  const usable = cpus.usable === cpus.count ? '' : `, ${cpus.usable} usable here`;
  return [
    row('kernel', kernel),
    row('node', node),
    row('platform', platform),
    row('user', userText(user)),
    row('cpus', `${cpus.count} x ${cpus.model}${usable}`),
  ];
}

function userText({ isAdministrator, mayLockMemory, uid }: Machine['user']): string {
  const held = [
    ...(isAdministrator ? ['CAP_SYS_ADMIN'] : []),
    ...(mayLockMemory ? ['CAP_IPC_LOCK'] : []),
  ];
  return `uid ${uid}, ${held.length === 0 ? 'no capability that matters here' : held.join(', ')}`;
}

function ioUringRows({ sysctl }: Machine, { capabilities }: Library): string[] {
  const features = Object.entries(capabilities?.features ?? {});
  const rows = features.map(([name, finding]) => row(name, featureText(finding)));
  return [row('sysctl', sysctlText(sysctl.ioUringDisabled, sysctl.ioUringGroup)), ...rows];
}

function featureText({ available, reason }: FeatureFinding): string {
  if (available) return 'yes';
  return `no: ${reason ?? 'no reason was given'}`;
}

function sysctlText(disabled: number | undefined, group: number | undefined): string {
  switch (disabled) {
    case undefined:
      return 'kernel.io_uring_disabled is not there (older than Linux 6.6)';
    case 0:
      return 'kernel.io_uring_disabled = 0: allowed for everybody';
    case 1:
      return `kernel.io_uring_disabled = 1: administrators and group ${group ?? 'unknown'} only`;
    default:
      return `kernel.io_uring_disabled = ${disabled}: allowed for nobody`;
  }
}

function limitRows({ limits }: Machine): string[] {
  return [
    row('memlock', limitText(limits.memlock, binaryBytes)),
    row(
      'nofile',
      limitText(limits.nofile, (value) => String(value)),
    ),
  ];
}

function limitText(limit: Limit | undefined, format: (value: number) => string): string {
  if (limit === undefined) return 'unknown (/proc/self/limits does not say)';
  const text = (value: number | null): string => (value === null ? 'unlimited' : format(value));
  return `soft ${text(limit.soft)}, hard ${text(limit.hard)}`;
}

function sandboxRows({ container, seccomp }: Machine): string[] {
  const signs = container.length === 0 ? ['no sign of one'] : container;
  return [...signs.map((sign) => row('container', sign)), row('seccomp', seccomp)];
}

function backendRows({ capabilities, problem, requestedDriver }: Library): string[] {
  const asked = requestedDriver === undefined ? [] : [row('WAKERING_DRIVER', requestedDriver)];
  if (capabilities === undefined) return [...asked, row('driver', `none: ${problem}`)];
  return [...asked, row('driver', capabilities.driver), row('because', capabilities.reason)];
}

function adviceRows(advice: Advice[]): string[] {
  if (advice.length === 0) return ['nothing to do: no problem was found'];
  return advice.flatMap(({ problem, hint }) => [`- ${problem}`, `  ${hint}`]);
}
