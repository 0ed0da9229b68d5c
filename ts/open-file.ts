/** An open file of a runtime. */

import { invalidArgType, locate, systemError } from './errors.ts';
import { ErrorKind } from './generated/abi.ts';

/** A handle in a runtime's table, and the real descriptor behind it. */
export class OpenFile {
  /** The descriptor. It stays the runtime's: close the file, not the number. */
  readonly fd: number;
  /** Index in the runtime's table. */
  readonly index: number;
  /** Which use of that index. */
  readonly generation: number;
  /** In another runtime's table the same numbers may name another file. */
  readonly #home: object;

  /** Made by the operation that opens it, for the runtime whose port is `home`. */
  constructor(home: object, fd: number, index: number, generation: number) {
    this.#home = home;
    this.fd = fd;
    this.index = index;
    this.generation = generation;
  }

  /**
   * Makes sure that a file is used where it was opened.
   *
   * @throws TypeError where `file` is no open file.
   * @throws Error where it is one of another runtime than the one whose port is `home`.
   */
  static check(file: OpenFile, home: object): void {
    if (typeof file !== 'object' || file === null || !(#home in file)) {
      throw locate(invalidArgType('file', 'an instance of OpenFile', file), OpenFile.check);
    }
    if (file.#home === home) return;
    throw locate(systemError(ErrorKind.WrongLoop, 'wakering'), OpenFile.check);
  }
}
