/**
 * Writes the initial file system of a guest: a cpio archive in the kernel's "newc" form, which is a
 * fixed header of hexadecimal fields, the name and the content, each padded to four bytes, per file.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const kind = { folder: 0o040000, file: 0o100000, link: 0o120000 } as const;

/** An archive that is being written; everything in it belongs to root. */
export class Archive {
  readonly #fd: number;
  readonly #names = new Set<string>(['/']);
  #inode = 1;

  /** Begins an archive in a new file. */
  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  /** Whether the archive already has something of this name. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Adds a folder and those above it, as far as they are missing. */
  folder(name: string, mode = 0o755): void {
    if (this.#names.has(name)) return;
    this.folder(dirname(name));
    this.#add(name, kind.folder | mode, Buffer.alloc(0), 0);
  }

  /** Adds a regular file. */
  file(name: string, content: Buffer | string, mode: number, mtimeMs = 0): void {
    this.#under(name, kind.file | mode, Buffer.from(content), mtimeMs);
  }

  /** Adds a symbolic link. */
  link(name: string, target: string): void {
    this.#under(name, kind.link | 0o777, Buffer.from(target), 0);
  }

  /** Ends the archive. */
  close(): void {
    this.#record('TRAILER!!!', 0, Buffer.alloc(0), 0);
    closeSync(this.#fd);
  }

  #under(name: string, mode: number, content: Buffer, mtimeMs: number): void {
    if (this.#names.has(name)) return;
    this.folder(dirname(name));
    this.#add(name, mode, content, mtimeMs);
  }

  #add(name: string, mode: number, content: Buffer, mtimeMs: number): void {
    this.#names.add(name);
    this.#record(name.slice(1), mode, content, mtimeMs);
  }

  #record(name: string, mode: number, content: Buffer, mtimeMs: number): void {
    const nameBytes = Buffer.from(`${name}\0`);
    const fields = [
      this.#inode++,
      mode,
      0, // uid
      0, // gid
      1, // links
      Math.floor(mtimeMs / 1000),
      content.length,
      0, // device, major and minor
      0,
      0, // device of a special file, major and minor
      0,
      nameBytes.length,
      0, // checksum, not used in this form
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#write(Buffer.concat([Buffer.from(header), nameBytes]));
    this.#write(content);
  }

  #write(bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done);
    const padding = -bytes.length & 3;
    if (padding > 0) writeSync(this.#fd, Buffer.alloc(padding));
  }
}
