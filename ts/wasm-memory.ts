/**
 * Memory that can neither be detached, transferred nor resized: the buffer of a
 * `WebAssembly.Memory`. Page-aligned, and allowed where external buffers are not.
 */

interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

interface WasmNamespace {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
}

const PAGE_BYTES = 65_536;

/**
 * At least `bytes` bytes of zeroes.
 *
 * @throws Error where this process has no WebAssembly (`--jitless`), or no address space for it.
 */
export function createMemory(bytes: number): ArrayBuffer {
  const wasm = (globalThis as { WebAssembly?: WasmNamespace }).WebAssembly;
  if (wasm === undefined) {
    throw new Error(
      'wakering keeps its buffers in a WebAssembly.Memory, and this process has no WebAssembly: ' +
        'start Node without --jitless',
    );
  }
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new wasm.Memory({ initial: pages, maximum: pages }).buffer;
}
