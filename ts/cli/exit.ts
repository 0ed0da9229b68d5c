/**
 * How the command line tool ends: its exit codes, and the error that carries one.
 *
 * Nothing here prints or exits; `main.ts` is the only file that does either.
 */

/** The exit codes of `wakering`, as `wakering --help` lists them. */
export const exitCode = {
  /** Everything asked for was done. */
  ok: 0,
  /** Some file failed, the two manifests differ, or input or output went wrong. */
  failed: 1,
  /** The command line could not be understood. */
  usage: 2,
  /** What the shell shows for a program that Ctrl-C ended: 128 + SIGINT. */
  interrupted: 130,
  /** The reader of standard output went away: 128 + SIGPIPE, as for any filter. */
  brokenPipe: 141,
} as const;

/** A failure whose message is written for the user: no stack trace is shown for it. */
export class CliError extends Error {
  /** What the process should exit with. */
  readonly exitCode: number;

  /**
   * @param message what happened, to which path, and what to do about it
   * @param code the exit code; by default {@link exitCode}`.failed`
   */
  constructor(message: string, code: number = exitCode.failed) {
    super(message);
    this.name = 'CliError';
    this.exitCode = code;
  }
}

/** The shape of an error that came from a system call. */
export interface SystemError extends Error {
  /** The name of the errno, such as `ENOENT`. */
  readonly code: string;
  /** The negative errno; missing for some errors that Node makes itself. */
  readonly errno?: number;
  /** The system call that failed. */
  readonly syscall?: string;
}

/** Whether `error` carries an errno name, as errors of file operations do. */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as Partial<SystemError>).code === 'string';
}

/** Whether `error` is a system error with this errno name. */
export function hasCode(error: unknown, code: string): boolean {
  return isSystemError(error) && error.code === code;
}
