/** Carries files of the host into a guest's archive, with the shared libraries that they need. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Archive } from './archive.ts';
import { GuestError } from './error.ts';

/** A file or folder of the host and its place in the guest. */
export interface Carried {
  /** Path on the host. */
  readonly from: string;
  /** Absolute path in the guest. */
  readonly to: string;
  /** Leaves out what it answers true for: paths relative to `from`. */
  readonly leaveOut?: (path: string) => boolean;
}

/** Puts everything into the archive, then the libraries. */
export function carry(archive: Archive, cargo: readonly Carried[]): void {
  const programs: string[] = [];
  for (const { from, to, leaveOut } of cargo) {
    if (!existsSync(from)) throw new GuestError(`${from}: there is nothing to carry`);
    // A file named on the command line may be a link: what it leads to is meant.
    if (statSync(from).isDirectory()) {
      addFolder(archive, from, to, '', leaveOut ?? (() => false), programs);
    } else addFile(archive, from, to, programs);
  }
  for (const library of librariesOf(programs)) {
    if (!archive.has(library)) archive.file(library, readFileSync(library), 0o755);
  }
}

function addFolder(
  archive: Archive,
  from: string,
  to: string,
  path: string,
  leaveOut: (path: string) => boolean,
  programs: string[],
): void {
  archive.folder(join(to, path));
  for (const entry of readdirSync(join(from, path), { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (leaveOut(inside)) continue;
    const source = join(from, inside);
    const name = join(to, inside);
    if (entry.isDirectory()) addFolder(archive, from, to, inside, leaveOut, programs);
    else if (entry.isSymbolicLink()) archive.link(name, readlinkSync(source));
    else if (entry.isFile()) addFile(archive, source, name, programs);
  }
}

function addFile(archive: Archive, from: string, to: string, programs: string[]): void {
  const content = readFileSync(from);
  const { mode, mtimeMs } = statSync(from);
  archive.file(to, content, mode & 0o777, mtimeMs);
  const loadable = (mode & 0o111) !== 0 || /\.(node|so)(\.|$)/.test(from);
  if (loadable && content.subarray(0, 4).equals(elfMagic)) programs.push(from);
}

const elfMagic = Buffer.from('\x7fELF', 'latin1');

/** The libraries that the loader would load for these programs, by their absolute paths. */
function librariesOf(programs: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const program of programs) {
    let listing: string;
    try {
      listing = execFileSync('ldd', [program], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch {
      continue; // static, or for another machine: it needs nothing, or cannot run anyway
    }
    for (const [, path] of listing.matchAll(/(?:=>|^)\s*(\/\S+) \(0x/gm)) {
      if (path !== undefined && lstatSync(path, { throwIfNoEntry: false })) found.add(path);
    }
  }
  return found;
}
