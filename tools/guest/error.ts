/** What was asked of the guest runner cannot be done; the message says why and what to do. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}

/** An error as the user should see it: without a stack when it is the user's own. */
export function told(error: unknown): string {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  const own = error instanceof GuestError || code?.startsWith('ERR_PARSE_ARGS');
  return own ? message : (stack ?? String(error));
}
