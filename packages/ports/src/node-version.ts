/** The first Node that everything here runs on, as `engines` says; npm warns where it is older, and goes on. */
const OLDEST = [22, 18] as const;

/**
 * Says of a Node that is too old what is needed. Bun and Deno have versions of their own, and say of Node only what they resemble.
 *
 * @throws Error with the code `ERR_NODE_TOO_OLD`
 */
export function assertNodeVersion(versions: Readonly<Record<string, string | undefined>>): void {
  const { node = '', bun, deno } = versions;
  if (bun !== undefined || deno !== undefined) return;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  const needed = `The @millrace packages need Node ${OLDEST.join('.')} or later, and this is ${node}: https://nodejs.org`;
  throw Object.assign(new Error(needed), { code: 'ERR_NODE_TOO_OLD' });
}
