/** An error as the system gives it: `code` is `ENOSPC`, `EIO` ...; for faults of a simulated disk. */
export function systemError(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
