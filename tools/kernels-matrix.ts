/** The tables of `npm run test:matrix`, each kernel's in a guest: KERNELS PROGRAM... */
import { GuestError, told } from './guest/error.ts';
import { status } from './guest/emulator.ts';
import { runGuest } from './guest/guest.ts';
import { say } from './guest/host.ts';

/** An emulated guest needs a minute or two. */
const timeoutSeconds = 1500;
const script = `worst=0
for test in /carry/*; do $test --nocapture --test-threads=1 || worst=1; done
exit $worst`;

async function main(kernels: readonly string[], programs: readonly string[]): Promise<number> {
  const bad = kernels.find((kernel) => !/^\d+\.\d+$/.test(kernel));
  if (bad !== undefined) throw new GuestError(`${bad} is no kernel line such as 6.1`);
  const cargo = programs.map((from, place) => ({ from, to: `/carry/${place}` }));
  const failed: string[] = [];
  for (const kernel of kernels) {
    const command = ['/bin/sh', '-c', script];
    const code = await runGuest({ kernel, command, cargo, folder: '/tmp', timeoutSeconds });
    if (code !== 0) failed.push(kernel);
    say(`kernel ${kernel}: ${code === 0 ? 'passed' : `failed with status ${code}`}`);
  }
  return failed.length === 0 ? 0 : 1;
}

try {
  const [kernels = '', ...programs] = process.argv.slice(2);
  process.exitCode = await main(kernels.split(' '), programs);
} catch (error) {
  say(told(error));
  process.exitCode = status.failed;
}
