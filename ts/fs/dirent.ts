/** One entry of a folder: its name and which kind of file it is. */

import { Dirent as NodeDirent } from 'node:fs';

/** The kinds as `getdents64` numbers them. */
export const Kind: {
  readonly Unknown: 0;
  readonly Fifo: 1;
  readonly CharacterDevice: 2;
  readonly Directory: 4;
  readonly BlockDevice: 6;
  readonly File: 8;
  readonly SymbolicLink: 10;
  readonly Socket: 12;
} = {
  Unknown: 0,
  Fifo: 1,
  CharacterDevice: 2,
  Directory: 4,
  BlockDevice: 6,
  File: 8,
  SymbolicLink: 10,
  Socket: 12,
};

/** A constructor that does nothing, so that `instanceof fs.Dirent` holds without running Node's. */
const Inherited: new () => object = (() => {
  function Blank(): void {}
  Blank.prototype = NodeDirent.prototype;
  return Blank as unknown as new () => object;
})();

/** What `readdir` gives with `withFileTypes: true`. */
export class Dirent<Name extends string | Buffer> extends Inherited {
  /** The name, without a path. */
  name: Name;
  /** The folder, as `readdir` was given it or, below that, joined to it. */
  parentPath: string;
  readonly #kind: number;

  /** `parentPath` is a Buffer where the path was one: Node's types do not say it, Node does it. */
  constructor(name: Name, kind: number, parentPath: string | Buffer) {
    super();
    this.name = name;
    this.parentPath = parentPath as string;
    this.#kind = kind;
  }

  isDirectory(): boolean {
    return this.#kind === Kind.Directory;
  }
  isFile(): boolean {
    return this.#kind === Kind.File;
  }
  isBlockDevice(): boolean {
    return this.#kind === Kind.BlockDevice;
  }
  isCharacterDevice(): boolean {
    return this.#kind === Kind.CharacterDevice;
  }
  isSymbolicLink(): boolean {
    return this.#kind === Kind.SymbolicLink;
  }
  isFIFO(): boolean {
    return this.#kind === Kind.Fifo;
  }
  isSocket(): boolean {
    return this.#kind === Kind.Socket;
  }
}
