/**
 * Reads from a pipe with a deadline: Node's own reads of a pipe cannot be ended.
 *
 *     mkfifo /tmp/news
 *     node dist/examples/deadline.js /tmp/news 500
 *
 * prints what somebody writes into the pipe within half a second, or that nobody did.
 */

import { constants } from 'node:fs';
import { Runtime } from 'wakering';

const [path, ms = '1000'] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node dist/examples/deadline.js PIPE [MILLISECONDS]');
  process.exit(2);
}

await using runtime = new Runtime();
const { ops } = runtime;
// For reading and writing, because opening a pipe for reading alone waits for a writer.
const pipe = await ops.open(path, constants.O_RDWR, 0);
try {
  const bytes = await ops.readOwned(pipe, 4096, null, { signal: AbortSignal.timeout(Number(ms)) });
  console.log(`read: ${bytes.toString().trimEnd()}`);
} catch (error) {
  if ((error as Error).name !== 'AbortError') throw error;
  // The read was taken back: whatever is written later waits for the next one.
  console.log(`nothing within ${ms} ms`);
} finally {
  await ops.close(pipe);
}
