/**
 * What of a listener can be changed while the broker runs, by `listener.name.<name>.<setting>` on the broker (KIP-226): its key,
 * its certificate and what it trusts, or where they are, and its limits.
 */

import { LIMITS_PER_LISTENER } from './connection-limits.ts';
import type { BrokerConfigLevel } from './definition.ts';
import { LISTENER_SETTING, type ListenerSecurity } from './listener-security.ts';
import type { ListenerEndpoint } from './listeners.ts';
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
/** These lie in the store encoded with `password.encoder.secret`, as with Kafka. */
const SECRETS: readonly string[] = [
  'ssl.keystore.password',
  'ssl.keystore.key',
  'ssl.keystore.certificate.chain',
  'ssl.key.password',
  'ssl.truststore.password',
  'ssl.truststore.certificates',
];

/**
 * Settings of all listeners that Kafka's brokers take over from the metadata store at their next start (`DynamicListenerConfig`). Of the
 * others of TLS it takes those of single listeners only.
 */
const TAKEN_AT_START: readonly string[] = [
  'ssl.client.auth',
  'ssl.enabled.protocols',
  'ssl.cipher.suites',
  'ssl.endpoint.identification.algorithm',
  'sasl.enabled.mechanisms',
  'sasl.mechanism.inter.broker.protocol',
];

/** Whether a Kafka broker's listeners would be secured by a setting in the metadata store, and these are not. */
export function isUnheededSecurity(name: string, endpoints: readonly ListenerEndpoint[]): boolean {
  const listener = LISTENER_SETTING.exec(name)?.[1];
  if (listener === undefined) return TAKEN_AT_START.includes(name);
  return !isChangeableOfListener(name) && endpoints.some((each) => each.name.toLowerCase() === listener);
}

/** Whether a setting says what a listener's certificates are, where they are, or how they are opened. */
export function isCertificateSetting(name: string): boolean {
  return CHANGEABLE_FILES.includes(LISTENER_SETTING.exec(name)?.[2] ?? '') || isListenerSecret(name);
}

/** Whether a setting of a listener is a password, a key, or what Kafka keeps like one. */
export function isListenerSecret(name: string): boolean {
  return name.startsWith('listener.name.') && SECRETS.includes(LISTENER_SETTING.exec(name)?.[2] ?? '');
}

/** Whether a setting of a listener holds when it is changed while the broker runs. */
export function isChangeableOfListener(name: string): boolean {
  const key = LISTENER_SETTING.exec(name)?.[2] ?? '';
  return CHANGEABLE_FILES.includes(key) || SECRETS.includes(key) || LIMITS_PER_LISTENER.includes(key);
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
    if (!isChangeableOfListener(name)) {
      return `${name} cannot be changed while the broker runs. Set it in the file of settings, and start the broker again.`;
    }
    if (level === 'default' && isCertificateSetting(name)) {
      return `Cannot update these configs at default cluster level, broker id must be specified: Set(${name})`;
    }
  }
  return undefined;
}
