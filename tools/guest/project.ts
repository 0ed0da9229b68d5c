/** What of the project goes into a guest: the built package, its tests, and the packages they need. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { Carried } from './carry.ts';

/** Where the project lies in a guest. */
export const place = '/project';

/** Build products that no test reads, and what the guest gets in a smaller form. */
const leftOut = new Set([
  ...['.git', 'target', 'node_modules', '.build/kernels', '.build/native', '.build/nodes'],
]);

/** The project, the Node to run it with, and the packages that its built code and ava need. */
export function projectCargo(root: string, node: string): Carried[] {
  const packages = packagesFor(root, [...ownDependencies(root), ...imported(root), 'ava']);
  return [
    { from: node, to: '/usr/local/bin/node' },
    { from: root, to: place, leaveOut: (path) => leftOut.has(path) },
    ...packages.map((path): Carried => ({ from: join(root, path), to: join(place, path) })),
  ];
}

function ownDependencies(root: string): string[] {
  return Object.keys(manifest(root).dependencies ?? {});
}

/** The packages that the compiled tests and the compiled package import. */
function imported(root: string): Set<string> {
  const names = new Set<string>();
  for (const folder of ['dist', '.build/__test__']) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js')) continue;
      const code = readFileSync(join(root, folder, file), 'utf8');
      for (const [, specifier] of code.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"\n]+)['"]/g)) {
        const name = /^(?:@[^/]+\/)?[^./@][^/]*/.exec(specifier ?? '')?.[0];
        if (name !== undefined && !isBuiltin(name)) names.add(name);
      }
    }
  }
  return names;
}

/** The folders of packages and of all that they depend on, relative to the root. */
function packagesFor(root: string, names: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string, from: string): void => {
    const folder = resolvePackage(root, name, from);
    // An optional dependency of another platform, a package naming itself, or a word in a string.
    if (folder === undefined || found.has(folder)) return;
    found.add(folder);
    const { dependencies, optionalDependencies, peerDependencies } = manifest(folder);
    const needed = { ...dependencies, ...optionalDependencies, ...peerDependencies };
    for (const next of Object.keys(needed)) visit(next, folder);
  };
  for (const name of names) visit(name, root);
  return [...found].map((folder) => relative(root, folder)).sort();
}

/** As Node looks for a package: in node_modules here, then in each folder above. */
function resolvePackage(root: string, name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === root || folder === dirname(folder)) return undefined;
  }
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}
