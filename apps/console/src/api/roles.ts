/** Who may do what with which topics and groups: one rule for the server, which refuses, and for the page, which does not offer. */

/** Somebody who has logged in may do what the role says; each may do what those before it may. */
export type Role = 'viewer' | 'editor' | 'admin';

/** A role for the topics or the groups whose names fit a pattern: `*` stands for any characters. */
export interface Grant {
  readonly role: Role;
  readonly on: 'topic' | 'group';
  readonly pattern: string;
}

/** What somebody may do: a role for everything, and more for some topics and groups. */
export interface Rights {
  /** Null: nothing but what the grants say. */
  readonly role: Role | null;
  readonly grants: readonly Grant[];
}

/** What a role is asked for: a topic or a group by its name; undefined is the cluster as a whole. */
export interface Named {
  readonly on: 'topic' | 'group';
  readonly name: string;
}

const ROLES: readonly Role[] = ['viewer', 'editor', 'admin'];

/** Whether the rights hold for what takes this role on that topic or group. */
export function isAllowed({ role, grants }: Rights, wanted: Role, named?: Named): boolean {
  const least = ROLES.indexOf(wanted);
  if (role !== null && ROLES.indexOf(role) >= least) return true;
  if (named === undefined) return false;
  return grants.some(
    (grant) => grant.on === named.on && ROLES.indexOf(grant.role) >= least && fits(grant.pattern, named.name),
  );
}

/** Whether a name fits a pattern of `*`: looked for part by part, so that no pattern takes long. */
export function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
