/** What contenders of plain JavaScript bring: `node:fs`, of whatever runtime this process is. */

import { createReadStream } from 'node:fs';
import nodeFs from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Kit, KitFs } from './works/work.ts';

interface WasmNamespace {
  readonly Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer };
}

const WASM_PAGE_BYTES = 65_536;

/** `node:fs/promises`, `node:fs` and `node:timers/promises`; an awaited promise as its nop. */
export function nodeKit(name: string): Kit {
  const settled = Promise.resolve();
  return {
    name,
    fs: nodeFs as KitFs,
    memory: plainMemory,
    createReadStream: (path) => createReadStream(path),
    sleep: (ms) => setTimeout(ms),
    nop: () => settled,
    close: async () => {},
  };
}

/** A program's ordinary buffers; from a `WebAssembly.Memory` where they have to begin with a page. */
export function plainMemory(bytes: number, count: number, aligned: boolean): Buffer[] {
  if (!aligned) return Array.from({ length: count }, () => Buffer.alloc(bytes));
  const { Memory } = (globalThis as unknown as { WebAssembly: WasmNamespace }).WebAssembly;
  const { buffer } = new Memory({ initial: Math.ceil((bytes * count) / WASM_PAGE_BYTES) });
  return Array.from({ length: count }, (_, index) => Buffer.from(buffer, index * bytes, bytes));
}
