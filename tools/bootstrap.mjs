// Makes a fresh clone ready: npm packages, the native addon, the compiled TypeScript.
//
// Each step says what it does only when there is something to do, so that the second
// `npm start` is silent. Content decides what is stale, not file times: a checkout sets those anew.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { at, bin, devNode, duration, fail, files, run, say } from './project.mjs';

/** Installs, builds and compiles whatever is missing or older than its sources. */
export function bootstrap({ tests = false } = {}) {
  checkNode();
  installPackages();
  buildAddon();
  compile(tests ? '__test__' : 'ts');
}

/** The tools need Node 20; the package itself runs on the Node that npm installs. */
function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20)
    fail(`Node ${process.versions.node} is too old to build with: install Node 20 or newer`);
}

/** `npm ci`, when what is installed is not what package-lock.json says. */
export function installPackages() {
  if (packagesMatchLock()) return;
  say('wakering: installing npm packages (npm ci; the first time about 30 seconds)');
  const { status, output } = run('npm', ['ci', '--no-audit', '--no-fund'], { quiet: true });
  if (status !== 0) fail(`npm ci failed; is the registry reachable?\n${output}`, status);
  if (!existsSync(devNode)) {
    fail(
      'npm ci left no Node in node_modules/node: its install step was refused (check `npm config get ignore-scripts`)',
    );
  }
}

/** npm keeps a copy of the lock file of what it installed; optional packages of other platforms lack there. */
function packagesMatchLock() {
  const hidden = at('node_modules/.package-lock.json');
  if (!existsSync(hidden) || !existsSync(devNode)) return false;
  const wanted = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return Object.entries(wanted).every(([name, { version, optional, peer }]) => {
    if (name === '') return true;
    const installed = present[name];
    return installed ? installed.version === version : optional === true || peer === true;
  });
}

/** What the addon is built from. */
const rustSources = [
  'Cargo.toml',
  'Cargo.lock',
  'rust-toolchain.toml',
  '.cargo',
  'crates',
  'bindings',
];
const notBuilt = new Set(['target', 'tests', 'benches', 'examples']);
const addonStamp = 'native/.built-from';

/** Builds `native/wakering.<platform>.node` in release mode, when Rust sources changed since. */
export function buildAddon() {
  const fingerprint = hashOf(rustSources.flatMap((source) => files(source, notBuilt)));
  const built =
    existsSync(at('native')) && readdirSync(at('native')).some((name) => name.endsWith('.node'));
  if (built && existsSync(at(addonStamp)) && readFileSync(at(addonStamp), 'utf8') === fingerprint)
    return;

  checkRust();
  const first = !existsSync(at('target/release/deps'));
  const expected = first ? 'first build: about 2 minutes' : 'only what changed: up to a minute';
  say(`wakering: building the native addon (cargo, release; ${expected})`);
  // Built beside its place and renamed into it: a process that has the old addon mapped keeps it.
  const staging = '.build/native';
  rmSync(at(staging), { recursive: true, force: true });
  const { status, output, ms } = run(
    bin('napi'),
    [
      'build',
      '--platform',
      '--release',
      '--no-js',
      '--manifest-path',
      'bindings/node/Cargo.toml',
      '--output-dir',
      staging,
    ],
    { quiet: true },
  );
  const addon =
    existsSync(at(staging)) && readdirSync(at(staging)).find((name) => name.endsWith('.node'));
  if (status !== 0 || !addon) fail(`building the native addon failed\n${output}`, status || 1);
  mkdirSync(at('native'), { recursive: true });
  renameSync(at(staging, addon), at('native', addon));
  writeFileSync(at(addonStamp), fingerprint);
  say(`wakering: built native/${addon} in ${duration(ms)}`);
}

function hashOf(names) {
  const hash = createHash('sha256');
  for (const name of names)
    hash
      .update(`${name}\0`)
      .update(readFileSync(at(name)))
      .update('\0');
  return hash.digest('hex');
}

/** Says which of cargo, the right Rust and a C linker is missing. */
function checkRust() {
  const wanted = /rust-version = "(\d+)\.(\d+)"/.exec(readFileSync(at('Cargo.toml'), 'utf8'));
  const [, major, minor] = wanted ?? fail('Cargo.toml names no rust-version');
  const install = `install Rust ${major}.${minor} or newer (https://rustup.rs, or: rustup update stable)`;
  const { status, output } = run('cargo', ['--version'], { quiet: true });
  if (status !== 0) fail(`cargo was not found: ${install}`);
  const found = /cargo (\d+)\.(\d+)/.exec(output);
  if (
    found &&
    (Number(found[1]) < Number(major) || (found[1] === major && Number(found[2]) < Number(minor)))
  ) {
    fail(`${output.trim()} is too old: ${install}`);
  }
  if (run('cc', ['--version'], { quiet: true }).status !== 0) {
    fail('no C linker (cc) was found: install gcc, for example with: apt-get install gcc');
  }
}

/** Where each TypeScript project is compiled to. */
const outputOf = { ts: 'dist', __test__: '.build/__test__' };

/** Compiles a TypeScript project and those it refers to; `tsc -b` skips what is up to date. */
export function compile(project) {
  const projects = project === 'ts' ? ['ts'] : ['ts', '__test__'];
  if (!existsSync(at('dist/.tsbuildinfo'))) say('wakering: compiling TypeScript (a few seconds)');
  for (const each of projects) forgetLostOutputs(each);
  const { status, output } = run(bin('tsc'), ['-b', project], { quiet: true });
  if (status !== 0) fail(`TypeScript does not compile\n${output}`, status);
  for (const each of projects) removeOrphans(each);
}

/** tsc believes its own notes, not the disk: without them it writes again what somebody removed. */
function forgetLostOutputs(project) {
  const sources = files(project).filter((name) => /(?<!\.d)\.ts$/.test(name));
  const lost = sources.some((source) => {
    const stem = path.relative(project, source).slice(0, -'.ts'.length);
    return !existsSync(at(outputOf[project], `${stem}.js`));
  });
  if (lost) rmSync(at(outputOf[project], '.tsbuildinfo'), { force: true });
}

/** Removes what was compiled from sources that are gone: ava would still run it. */
function removeOrphans(project) {
  for (const output of files(outputOf[project])) {
    const relative = path.relative(outputOf[project], output);
    const stem = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(relative)?.[1];
    if (stem !== undefined && !existsSync(at(project, `${stem}.ts`))) rmSync(at(output));
  }
}
