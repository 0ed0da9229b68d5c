/**
 * Fetches Debian's cloud kernels through apt with an index of its own. Nothing is installed on the
 * host and its package sources stay as they are.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { GuestError } from './error.ts';
import { cache, output, say } from './host.ts';

/** A kernel in the cache. */
export interface Kernel {
  /** Its whole name, such as `6.1.0-50-cloud-amd64`. */
  readonly release: string;
  /** Path of the bootable image. */
  readonly image: string;
  /** Folder of its modules, unless the mirror no longer has them. */
  readonly modules: string | undefined;
}

/** Old kernels live in old suites; a suite that a mirror no longer has is passed over. */
const suites = [
  ...['bullseye', 'bookworm', 'bookworm-backports', 'trixie', 'trixie-backports'],
  ...['forky', 'sid', 'experimental'],
];

/** Package indexes are read again after three days. */
const indexAgeMax = 3 * 24 * 3600 * 1000;

/**
 * The newest kernel of a line such as `6.1`, fetched unless it is in the cache.
 *
 * @throws GuestError when no suite has one.
 */
export function kernel(line: string): Kernel {
  const folder = join(cache, 'kernels', line);
  if (!existsSync(join(folder, 'release'))) fetch(line, folder);
  const modules = join(folder, 'modules');
  return {
    release: readFileSync(join(folder, 'release'), 'utf8'),
    image: join(folder, 'vmlinuz'),
    modules: existsSync(modules) ? modules : undefined,
  };
}

/** The lines that can be had, oldest first, each with its newest release. */
export function kernelLines(): Map<string, string> {
  readIndexes();
  return new Map(candidates().map(({ line, release }) => [line, release]));
}

function fetch(line: string, folder: string): void {
  readIndexes();
  const all = candidates();
  const found = all.findLast((candidate) => candidate.line === line);
  if (found === undefined) {
    const lines = [...new Set(all.map((candidate) => candidate.line))].join(' ');
    throw new GuestError(`there is no kernel ${line}; there are ${lines}`);
  }
  const { release } = found;
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    // Newer lines keep their modules in a package of their own.
    for (const name of [found.package, `linux-modules-${release}`]) {
      if (name !== found.package && apt('cache', ['pkgnames', name], cache).trim() === '') continue;
      say(`fetching ${name}`);
      apt('get', ['-qq', 'download', name], work);
    }
    for (const deb of globSync('*.deb', { cwd: work })) {
      execFileSync('dpkg-deb', ['-x', join(work, deb), join(work, 'tree')]);
    }
    store(join(work, 'tree'), release, join(work, 'kernel'));
    mkdirSync(join(cache, 'kernels'), { recursive: true });
    // Somebody else may have fetched it in the meantime: theirs is as good.
    if (!existsSync(folder)) renameSync(join(work, 'kernel'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Keeps the image, the modules and the name of an unpacked kernel. */
function store(tree: string, release: string, folder: string): void {
  const found = readdirSync(tree, { recursive: true, encoding: 'utf8' });
  const image = found.find((path) => /(^|\/)vmlinuz[^/]*$/.test(path) && isFile(join(tree, path)));
  if (image === undefined) throw new GuestError(`no vmlinuz in the packages of ${release}`);
  mkdirSync(folder);
  cpSync(join(tree, image), join(folder, 'vmlinuz'));
  const modules = found.find((path) => path.endsWith(`modules/${release}/kernel`));
  if (modules !== undefined) renameSync(join(tree, modules), join(folder, 'modules'));
  writeFileSync(join(folder, 'release'), release);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

interface Candidate {
  readonly line: string;
  readonly release: string;
  readonly package: string;
}

/** Every package that holds a cloud kernel, oldest first. */
function candidates(): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const name of apt('cache', ['pkgnames', 'linux-'], cache).split('\n').sort()) {
    // Older lines have the image in linux-image-*; in newer ones that only points to linux-binary-*,
    // which sorts first.
    const match = /^linux-(?:image|binary)-((\d+\.\d+).*cloud-amd64)$/.exec(name);
    const [, release, line] = match ?? [];
    if (release === undefined || line === undefined || found.has(release)) continue;
    found.set(release, { line, release, package: name });
  }
  const order = new Intl.Collator('en', { numeric: true });
  return [...found.values()].sort((a, b) => order.compare(a.release, b.release));
}

function apt(tool: 'get' | 'cache', args: readonly string[], cwd: string): string {
  const env = { ...process.env, APT_CONFIG: join(cache, 'apt', 'apt.conf') };
  const result = spawnSync(`apt-${tool}`, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.error) throw new GuestError(`apt-${tool} cannot run: ${result.error.message}`);
  if (result.status === 0) return result.stdout;
  throw new GuestError(`apt-${tool} ${args.join(' ')} failed:\n${result.stderr}`);
}

/** Reads the package indexes of all suites into the cache. */
function readIndexes(): void {
  const folder = join(cache, 'apt');
  const ready = join(folder, 'ready');
  const age = Date.now() - (statSync(ready, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (age < indexAgeMax) return;
  for (const name of ['lists/partial', 'archives/partial', 'empty']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const mirror = findMirror();
  const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signed = existsSync(key) ? `[signed-by=${key}] ` : '';
  const sources = suites.map((suite) => `deb ${signed}${mirror} ${suite} main\n`).join('');
  writeFileSync(join(folder, 'sources.list'), sources);
  writeFileSync(join(folder, 'apt.conf'), aptConfiguration(folder));
  say(`reading the package indexes of ${suites.join(', ')}`);
  // A suite that is gone makes apt fail after it has read the others.
  const env = { ...process.env, APT_CONFIG: join(folder, 'apt.conf') };
  const { stderr } = spawnSync('apt-get', ['update', '-qq'], { env, encoding: 'utf8' });
  if (candidates().length === 0) throw new GuestError(`no kernels at ${mirror}:\n${stderr}`);
  writeFileSync(ready, '');
}

function aptConfiguration(folder: string): string {
  return `
    Dir::Etc::sourcelist "${folder}/sources.list";
    Dir::Etc::sourceparts "${folder}/empty";
    Dir::Etc::preferences "-";
    Dir::Etc::preferencesparts "${folder}/empty";
    Dir::State::lists "${folder}/lists";
    Dir::Cache "${folder}";
    Acquire::Languages "none";
    Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
    APT::Sandbox::User "root";
  `;
}

/** The Debian mirror that the host itself uses. */
function findMirror(): string {
  const given = process.env['WAKERING_GUEST_MIRROR'];
  if (given !== undefined) return given;
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*.{sources,list}')];
  for (const file of files.filter(isFile)) {
    const active = readFileSync(file, 'utf8').replace(/^\s*#.*$/gm, '');
    const mirror = /https?:\/\/\S+\/debian\/?(?=\s|$)/.exec(active)?.[0];
    if (mirror !== undefined) return mirror;
  }
  throw new GuestError('no Debian mirror in /etc/apt: name one in WAKERING_GUEST_MIRROR');
}

/**
 * Modules and what they depend on, dependencies first, unpacked.
 *
 * @throws GuestError when the kernel came without modules.
 */
export function modules(from: Kernel, names: readonly string[]): Map<string, Buffer> {
  const folder = from.modules;
  if (folder === undefined) throw new GuestError(`no modules to be had for ${from.release}`);
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const chosen = new Map<string, Buffer>();
  const choose = (name: string): void => {
    const same = name.replaceAll('-', '_');
    const path = all.find((path) => {
      const [, stem] = /([^/]+)\.ko(\.\w+)?$/.exec(path) ?? [];
      return stem?.replaceAll('-', '_') === same;
    });
    // Not every line has every module: some drivers are built into the kernel.
    if (path === undefined || chosen.has(same)) return;
    const file = join(folder, path);
    for (const needed of output('modinfo', ['-F', 'depends', file]).trim().split(',')) {
      if (needed !== '') choose(needed);
    }
    chosen.set(same, unpack(file));
  };
  names.forEach(choose);
  return chosen;
}

function unpack(file: string): Buffer {
  const tool = file.endsWith('.xz') ? 'xz' : file.endsWith('.zst') ? 'zstd' : undefined;
  if (tool === undefined) return readFileSync(file);
  return execFileSync(tool, ['-qdc', file], { maxBuffer: 1 << 28 });
}
