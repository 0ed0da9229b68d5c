// The launchers that other tests rely on must themselves do what they say.
import test from 'ava';
import {
  confine,
  launcher,
  launchObstacle,
  refuseUring,
  run,
  skip,
  within,
  type Refusal,
} from './support/launch.ts';

const node = (program: string): string[] => [process.execPath, '-e', program];

const refusals: Record<Exclude<Refusal, 'kill'>, string> = {
  eperm: 'EPERM',
  enosys: 'ENOSYS',
  eacces: 'EACCES',
};

for (const [refusal, code] of Object.entries(refusals)) {
  test(`refuse-uring ${refusal}: each of the three system calls answers ${code}`, async (t) => {
    const obstacle = launchObstacle();
    if (obstacle !== undefined) return skip(t, obstacle);
    const { stdout } = await run(refuseUring(refusal as Refusal, [launcher('probe-uring')]));
    t.is(stdout, `setup ${code}\nenter ${code}\nregister ${code}\n`);
  });
}

test('refuse-uring with a selection leaves the other system calls alone', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const probe = await run({ command: launcher('probe-uring'), args: [] });
  const command = refuseUring('eacces', [launcher('probe-uring')], ['enter']);
  const { stdout } = await run(command);
  t.is(stdout, probe.stdout.replace(/enter .*/, 'enter EACCES'));
});

test('refuse-uring kill: the first system call of io_uring ends the process by SIGSYS', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const { status, signal } = await run(refuseUring('kill', [launcher('probe-uring')]));
  t.deepEqual({ status, signal }, { status: null, signal: 'SIGSYS' });
});

test('a launched command keeps its status, its output and its environment', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const program = 'console.log(process.env.COLOUR); console.error("e"); process.exitCode = 7';
  const options = { env: { COLOUR: 'teal' } };
  const outcome = await run(refuseUring('eperm', node(program)), options);
  t.deepEqual(outcome, { status: 7, signal: null, stdout: 'teal\n', stderr: 'e\n' });
});

test('confine sets soft and hard limits of memory and descriptors', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const program = 'console.log(fs.readFileSync("/proc/self/limits", "utf8"))';
  const { stdout } = await run(confine({ memlockBytes: 8192, files: 64 }, node(program)));
  t.regex(stdout, /^Max locked memory +8192 +8192 +bytes/m);
  t.regex(stdout, /^Max open files +64 +64 +files/m);
});

test('confine with a user takes all capabilities away', async (t) => {
  const user = 65_534;
  const obstacle = launchObstacle(user);
  if (obstacle !== undefined) return skip(t, obstacle);
  const program = 'console.log(process.getuid(), fs.readFileSync("/proc/self/status", "utf8"))';
  const { stdout } = await run(confine({ user }, node(program)));
  t.is(Number.parseInt(stdout, 10), process.getuid?.() || user);
  t.regex(stdout, /^CapEff:\t0+$/m);
});

test('launchers nest', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const inner = refuseUring('enosys', [launcher('probe-uring')]);
  const { stdout, status } = await run(within(confine({ files: 64 }, []), inner));
  t.is(status, 0);
  t.regex(stdout, /^setup ENOSYS$/m);
});

test('a command that is not there ends with 127', async (t) => {
  const obstacle = launchObstacle();
  if (obstacle !== undefined) return skip(t, obstacle);
  const { status, stderr } = await run(confine({}, ['no-such-program']));
  t.is(status, 127);
  t.is(stderr, 'confine: cannot run no-such-program: No such file or directory\n');
});
