/**
 * What of a listener can be changed while the broker runs, by `listener.name.<name>.<setting>` on the broker (KIP-226): where its key,
 * its certificate and what it trusts are, and its limits.
 */

import { LIMITS_PER_LISTENER } from './connection-limits.ts';
import type { BrokerConfigLevel } from './definition.ts';
import { LISTENER_SETTING, type ListenerSecurity } from './listener-security.ts';
import type { ConfigProperties } from './topic-config.ts';

/** The certificates of listeners, in the hands of the process that holds their sockets. */
export interface ListenerCertificates {
  /** What is wrong with what listeners would have from then on, in words for whoever wants it; undefined where nothing is. */
  check(security: ReadonlyMap<string, ListenerSecurity>): Promise<string | undefined>;
  /** Takes up what listeners have, and reads their files again though they have the same names. */
  apply(security: ReadonlyMap<string, ListenerSecurity>): Promise<void>;
}

const CHANGEABLE_FILES: readonly string[] = [
  'ssl.keystore.type',
  'ssl.keystore.location',
  'ssl.truststore.type',
  'ssl.truststore.location',
];
/** Kafka changes these too, and keeps them in the store, encoded with `password.encoder.secret`. */
const SECRETS: readonly string[] = [
  'ssl.keystore.password',
  'ssl.keystore.key',
  'ssl.keystore.certificate.chain',
  'ssl.key.password',
  'ssl.truststore.password',
  'ssl.truststore.certificates',
];

/** Whether a setting says where a listener's certificates are. */
export function isCertificateSetting(name: string): boolean {
  return CHANGEABLE_FILES.includes(LISTENER_SETTING.exec(name)?.[2] ?? '');
}

/** Whether a setting of a listener holds when it is changed while the broker runs. */
export function isChangeableOfListener(name: string): boolean {
  const key = LISTENER_SETTING.exec(name)?.[2] ?? '';
  return CHANGEABLE_FILES.includes(key) || LIMITS_PER_LISTENER.includes(key);
}

/** Why settings of listeners cannot be changed so, in Kafka's words where it says no too; undefined where they can. */
export function listenerChangeFault(properties: ConfigProperties, level: BrokerConfigLevel): string | undefined {
  const names = Object.keys(properties);
  const forAll = names.filter((name) => CHANGEABLE_FILES.includes(name) || SECRETS.includes(name));
  if (forAll.length > 0) {
    return `These security configs can be dynamically updated only per-listener using the listener prefix: Set(${forAll.join(', ')})`;
  }
  for (const name of names) {
    const key = LISTENER_SETTING.exec(name)?.[2];
    if (key === undefined) continue;
    if (SECRETS.includes(key)) {
      return `${name} is a secret, which would lie in the metadata store: it is taken from the file of settings alone. Put the new certificate into the file that the broker reads, or into another one with the same password, and set its ssl.keystore.location or ssl.truststore.location.`;
    }
    if (!isChangeableOfListener(name)) {
      return `${name} cannot be changed while the broker runs. Set it in the file of settings, and start the broker again.`;
    }
    if (level === 'default' && isCertificateSetting(name)) {
      return `Cannot update these configs at default cluster level, broker id must be specified: Set(${name})`;
    }
  }
  return undefined;
}
