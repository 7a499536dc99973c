/** Names of users, client ids and addresses as parts of paths (`Sanitizer`): as in the body of a form, with spaces and asterisks spelled out. */
export function sanitized(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The name that a part of a path stands for; undefined where it stands for none. */
export function desanitized(part: string): string | undefined {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
