const NOT_IN_NAMES = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Why nobody is let in by that name, whoever vouches for it: in logs, rules and lists of users it would pass for something else. */
export function faultOfName(user: string): string | undefined {
  return NOT_IN_NAMES.test(user) ? 'has control characters or ends of lines in it' : undefined;
}
