/** `FileHandle.readableWebStream`: a file as a `ReadableStream` of bytes. */

import { ReadableStream } from 'node:stream/web';
import type { ReadableByteStreamController, ReadableStreamBYOBRequest } from 'node:stream/web';
import { locate } from '../errors.ts';
import type { FileHandle, Lent } from './file-handle.ts';
import { comesSlowly, untilReadable } from './read-ahead.ts';
import { bytesOf } from './validate.ts';

/** What a reader gets that brings no memory of its own. */
const CHUNK_BYTES = 64 * 1024;

/**
 * A stream of the file's bytes from its current position on. Nothing is read before a reader asks,
 * so that the position is behind what was delivered; a reader's own memory is filled directly.
 */
export function webStreamOf(
  handle: FileHandle,
  { lane, file, giveBack }: Lent,
  autoClose: boolean,
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  const call = { signal: stop.signal };
  let controller: ReadableByteStreamController;
  let waits: Promise<boolean> | undefined;

  const finish = async (): Promise<void> => {
    handle.off('close', whenClosed);
    stop.abort();
    giveBack();
    if (autoClose) await handle.close();
  };
  const whenClosed = (): void => {
    void finish();
    controller.close();
    controller.byobRequest?.respond(0);
  };
  handle.once('close', whenClosed);

  const fill = async (view: Uint8Array): Promise<number> => {
    waits ??= lane.statFile(file, false, call).then(comesSlowly);
    if (await waits) await untilReadable(lane, file, call);
    return lane.read(file, view, 0, view.byteLength, null, call);
  };
  return new ReadableStream({
    type: 'bytes',
    autoAllocateChunkSize: CHUNK_BYTES,
    start(given) {
      controller = given;
    },
    async pull() {
      const request = controller.byobRequest as ReadableStreamBYOBRequest;
      let bytes: number;
      try {
        bytes = await fill(bytesOf(request.view as NodeJS.ArrayBufferView));
      } catch (error) {
        // It was closed or given up meanwhile: nobody waits for this.
        if (stop.signal.aborted) return;
        await finish();
        throw locate(error);
      }
      if (stop.signal.aborted) return;
      if (bytes === 0) {
        controller.close();
        await finish();
      }
      request.respond(bytes);
    },
    cancel: finish,
  });
}
