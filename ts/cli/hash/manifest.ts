/** The manifest: one line per file, in the format that `sha256sum --check` reads. */

/** One file of the manifest. */
export interface ManifestEntry {
  /** The path as the walk gave it, byte for byte. */
  readonly path: Buffer;
  /** SHA-256 as 64 hexadecimal digits. */
  readonly digest: string;
}

/** Sorts by the bytes of the paths, in place: the order that `LC_ALL=C sort` gives. */
export function sortEntries(entries: ManifestEntry[]): ManifestEntry[] {
  return entries.sort((a, b) => Buffer.compare(a.path, b.path));
}

const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const ESCAPED = new Map([
  [BACKSLASH, '\\\\'],
  [NEWLINE, '\\n'],
  [CARRIAGE_RETURN, '\\r'],
]);

/**
 * One line: digest, two spaces, path.
 *
 * A path with a backslash, a newline or a carriage return is written with escapes, and the line
 * then starts with a backslash, as `sha256sum` does it. Every other byte stands for itself.
 */
export function manifestLine({ path, digest }: ManifestEntry): Buffer {
  if (!needsEscape(path)) {
    return Buffer.concat([Buffer.from(`${digest}  `), path, Buffer.from('\n')]);
  }
  // latin1 keeps every byte: one character each, there and back.
  const escaped = Array.from(path, (byte) => ESCAPED.get(byte) ?? String.fromCharCode(byte));
  return Buffer.from(`\\${digest}  ${escaped.join('')}\n`, 'latin1');
}

function needsEscape(path: Buffer): boolean {
  return path.includes(BACKSLASH) || path.includes(NEWLINE) || path.includes(CARRIAGE_RETURN);
}

const BLOCK = 256 * 1024;

/** The manifest in blocks of about 256 KiB, so that it is never whole in memory a second time. */
export function* manifestBlocks(entries: readonly ManifestEntry[]): Generator<Buffer> {
  let lines: Buffer[] = [];
  let size = 0;
  for (const entry of entries) {
    const line = manifestLine(entry);
    lines.push(line);
    size += line.length;
    if (size < BLOCK) continue;
    yield Buffer.concat(lines, size);
    lines = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(lines, size);
}

/** The first path on which two sorted manifests disagree, or `undefined` when they are equal. */
export function firstDifference(
  left: readonly ManifestEntry[],
  right: readonly ManifestEntry[],
): Buffer | undefined {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const a = left[index];
    const b = right[index];
    if (a === undefined || b === undefined) return (a ?? b)?.path;
    const order = Buffer.compare(a.path, b.path);
    if (order !== 0) return order < 0 ? a.path : b.path;
    if (a.digest !== b.digest) return a.path;
  }
  return undefined;
}
