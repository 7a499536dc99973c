/** What quotas are set for, and which quotas there are, as Kafka 2.6 to 3.9 name and keep them (KIP-546, `QuotaConfigs`). */
import { desanitized, sanitized } from '../store/entity-names.ts';
import { DEFAULT_ENTITY } from '../store/znodes.ts';

/** A user, a client id, a client id of a user, or an address. Null stands for those that have no quota of their own. */
export interface QuotaEntity {
  readonly user?: string | null;
  readonly clientId?: string | null;
  readonly ip?: string | null;
}

/** Of which numbers a quota's values are. */
export type QuotaNumber = 'LONG' | 'INT' | 'DOUBLE';

/** Quotas of users and client ids. */
export const CLIENT_QUOTAS: ReadonlyMap<string, QuotaNumber> = new Map([
  ['producer_byte_rate', 'LONG'],
  ['consumer_byte_rate', 'LONG'],
  ['request_percentage', 'DOUBLE'],
  ['controller_mutation_rate', 'DOUBLE'],
]);

/** Quotas of addresses. */
export const ADDRESS_QUOTAS: ReadonlyMap<string, QuotaNumber> = new Map([['connection_creation_rate', 'INT']]);

/** The quotas that an entity can have. */
export function quotasFor({ ip }: QuotaEntity): ReadonlyMap<string, QuotaNumber> {
  return ip === undefined ? CLIENT_QUOTAS : ADDRESS_QUOTAS;
}

/** The names of entity types in requests. */
export const ENTITY_TYPES: ReadonlyMap<string, keyof QuotaEntity> = new Map([
  ['user', 'user'],
  ['client-id', 'clientId'],
  ['ip', 'ip'],
]);

/** Where an entity's quotas lie below `/config`. */
export function pathOfEntity({ user, clientId, ip }: QuotaEntity): string {
  const part = (name: string | null): string => (name === null ? DEFAULT_ENTITY : sanitized(name));
  if (ip !== undefined) return `ips/${part(ip)}`;
  const ofClient = clientId === undefined ? '' : `clients/${part(clientId)}`;
  if (user === undefined) return ofClient;
  return ofClient === '' ? `users/${part(user)}` : `users/${part(user)}/${ofClient}`;
}

/** The entity that has its quotas at a path; undefined where that is nobody's name. */
export function entityAt(path: string): QuotaEntity | undefined {
  const [type, first = '', , second] = path.split('/');
  const name = nameOf(first);
  const client = second === undefined ? undefined : nameOf(second);
  if (name === undefined || (second !== undefined && client === undefined)) return undefined;
  if (type === 'ips') return { ip: name };
  if (type === 'clients') return { clientId: name };
  if (type !== 'users') return undefined;
  return client === undefined ? { user: name } : { user: name, clientId: client };
}

function nameOf(part: string): string | null | undefined {
  return part === DEFAULT_ENTITY ? null : desanitized(part);
}

/** As near a whole number a value must be where only whole ones are meant (`ZkAdminManager`). */
const WHOLE_WITHIN = 1e-6;

/** What the largest of Java's longs is as a double. */
const LONG_MAX = 2 ** 63;

/** The text that is kept of a quota's value; undefined where the quota cannot have that value. */
export function quotaText(kind: QuotaNumber, value: number): string | undefined {
  if (kind === 'DOUBLE') return value >= 0 && value !== Number.POSITIVE_INFINITY ? javaDouble(value) : undefined;
  // Kafka's own arithmetic: no number at all counts as 0, and negative ones never come out whole.
  const whole = Number.isNaN(value) ? 0 : Math.trunc(value + WHOLE_WITHIN);
  const isTooLarge = kind === 'INT' ? whole > 2 ** 31 - 1 : whole > LONG_MAX;
  if (isTooLarge || Math.abs(whole - value) > WHOLE_WITHIN) return undefined;
  // Its largest number, which many write for none at all, comes as the double above it and goes back to what it was.
  return whole === LONG_MAX ? String(2n ** 63n - 1n) : String(BigInt(whole));
}

/** As Java writes doubles: `200.0`, `1.0E10`. */
function javaDouble(value: number): string {
  if (value !== 0 && (value >= 1e7 || value < 1e-3)) {
    const [digits = '', exponent = ''] = value.toExponential().split('e');
    return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
