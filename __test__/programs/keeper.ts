/** A Worker that keeps a buffer which was transferred to it, and tells what is in it when asked. */

import { parentPort } from 'node:worker_threads';

let kept = new Uint8Array(0);

parentPort?.on('message', (message: ArrayBuffer | 'look' | 'end') => {
  if (message === 'end') return parentPort?.close();
  if (message === 'look') return parentPort?.postMessage([...new Set(kept)]);
  kept = new Uint8Array(message).fill(0xaa);
  parentPort?.postMessage('kept');
});
