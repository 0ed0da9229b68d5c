/** `node tools/guest/main.ts`: one command on another kernel. */
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { GuestError, told } from './error.ts';
import { status } from './emulator.ts';
import { runGuest } from './guest.ts';
import * as host from './host.ts';
import { kernelLines } from './kernel.ts';
import { guestOptions, guestOptionsHelp, guestSettings } from './options.ts';
import type { Carried } from './carry.ts';

const help = `usage: main.ts [options] -- command [args...]   run a command on a kernel
       main.ts --list                           the kernels that can be had

  --kernel V           5.10, 6.1, 6.12, 6.18, 7.2, ...: the newest Debian cloud kernel of that line (6.1)
  --dir SRC[:DEST]     carry a folder or a file into the guest (repeatable), with the shared libraries
                       that its programs need. DEST is /carry unless given, which is also where the
                       command runs
${guestOptionsHelp}

exit status: the command's (128 + n for signal n); 122 the command returned 0 but the kernel logged a
bug, an oops or a warning; 123 the guest died before the command ended; 124 time limit; 125 what was
asked for cannot be done
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...guestOptions,
      kernel: { type: 'string', default: '6.1' },
      dir: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.list) {
    host.needPackages();
    for (const [line, release] of kernelLines()) process.stdout.write(`${line}\t${release}\n`);
    return 0;
  }
  if (positionals.length === 0) throw new GuestError(`no command\n${help}`);
  const cargo = values.dir.map(carried);
  const folder = cargo.some(({ to }) => to.startsWith('/carry')) ? '/carry' : '/';
  const settings = guestSettings(values);
  return runGuest({ folder, ...settings, kernel: values.kernel, command: positionals, cargo });
}

/** `SRC[:DEST]`; a file without a place of its own goes into /carry. */
function carried(argument: string): Carried {
  const colon = argument.lastIndexOf(':');
  const from = resolve(colon < 0 ? argument : argument.slice(0, colon));
  if (colon >= 0) return { from, to: argument.slice(colon + 1) };
  return { from, to: host.isFolder(from) ? '/carry' : `/carry/${basename(from)}` };
}

try {
  process.exitCode = await main();
} catch (error) {
  host.say(told(error));
  process.exitCode = status.failed;
}
