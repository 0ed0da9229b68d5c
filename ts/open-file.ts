/** An open file of a runtime: a handle in its table, and the real descriptor behind it. */
export interface OpenFile {
  /** The descriptor. It stays the runtime's: close the file, not the number. */
  readonly fd: number;
  /** Index in the runtime's table. */
  readonly index: number;
  /** Which use of that index. */
  readonly generation: number;
}
