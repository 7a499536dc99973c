import { nearestName } from '@millrace/ports';
import { brokerConfigTable } from './broker-definitions.ts';
import { HONOURED_SASL, HONOURED_SSL, isListenerSetting, KERBEROS_TICKETS } from './listener-security.ts';
import { formatConfigValue, parseConfigValue } from './values.ts';

/** Settings that somebody's safety hangs on and that are not honoured yet. */
interface Refusal {
  /** Whole names, or beginnings that end in a dot. */
  readonly names: readonly string[];
  readonly why: string;
  readonly instead: string;
}

/**
 * A broker that passed these over would be open where its owner has closed it, or alone where it should be one of many. So it does
 * not start with them; a value that is Kafka's default, or empty, asks for nothing. Whoever honours a setting takes it out of here.
 */
const REFUSALS: readonly Refusal[] = [
  {
    names: ['ssl.', 'security.providers'],
    why: 'this part of TLS is left to Node and OpenSSL',
    instead: 'Remove it',
  },
  {
    names: ['sasl.login.connect.', 'sasl.login.read.', 'sasl.login.refresh.', 'sasl.login.retry.'],
    why: 'a broker asks for a token of its own when it connects and the last one ends within 30 s, and the provider has 10 s for it; nothing is refreshed in between',
    instead: 'Remove it',
  },
  {
    names: ['sasl.', 'principal.builder.class'],
    why: 'logins here are by PLAIN, SCRAM and OAUTHBEARER, set for each listener: listener.name.NAME.MECHANISM.sasl.jaas.config',
    instead: 'Remove it',
  },
  {
    names: ['authorizer.'],
    why: 'only authorizer.class.name means something here',
    instead: 'Remove it',
  },
  {
    names: ['alter.config.policy.class.name', 'create.topic.policy.class.name'],
    why: 'classes of Java cannot be loaded here, so nobody would be held to the policy',
    instead: 'Remove it, and let a program that you trust create topics and change configs',
  },
  {
    names: ['client.quota.'],
    why: 'classes of Java cannot be loaded here, so quotas are found as Kafka finds them by itself',
    instead: 'Remove it',
  },
  {
    names: ['quota.producer.default', 'quota.consumer.default'],
    why: 'Kafka has had it no more since 3.0',
    instead: 'Remove it, and set a default quota: millrace quotas set --client-default',
  },
  {
    names: ['zookeeper.ssl.cipher.suites', 'zookeeper.ssl.crl.enable', 'zookeeper.ssl.ocsp.enable'],
    why: 'connections to ZooKeeper use the ciphers of TLS 1.2 and 1.3 that Node takes for safe, and ask nobody for revoked certificates',
    instead: 'Remove it',
  },
  {
    names: ['zookeeper.metadata.migration.enable'],
    why: 'this broker does not move to KRaft',
    instead: 'Remove it',
  },
];

/** Names that a beginning above would catch, and that are honoured, or mean nothing beside what is. */
const HONOURED: ReadonlySet<string> = new Set([
  'authorizer.class.name',
  ...HONOURED_SSL,
  ...HONOURED_SASL,
  ...KERBEROS_TICKETS,
]);

/** Who may come in and do what, how many may come, and how much each may use. */
const SAFETY_SETTING = new RegExp(
  `^(${[
    'authorizer\\.',
    'super\\.users$',
    'allow\\.everyone\\.',
    'principal\\.',
    '(alter\\.config|create\\.topic)\\.policy\\.',
    'ssl\\.',
    'sasl\\.',
    'security\\.',
    'delegation\\.token\\.',
    'password\\.encoder\\.',
    'listeners$',
    'listener\\.(name|security)\\.',
    'inter\\.broker\\.listener\\.name$',
    'connections\\.max\\.reauth\\.',
    'connection\\.failed\\.',
    'max\\.connections?\\b',
    '([a-z.]+\\.)?quota\\.',
    'zookeeper\\.(set\\.acl$|ssl\\.)',
  ].join('|')})`,
);

/** Whether somebody's safety hangs on a setting of this name, or may hang on it where nobody knows it. */
export function isSafetySetting(name: string): boolean {
  return SAFETY_SETTING.test(name);
}

/** Why a broker must not start with a setting; undefined where nothing is wrong with that. */
export function refusalOf(name: string, text: string): string | undefined {
  // Those of single listeners are looked at with the listeners.
  if (HONOURED.has(name) || isListenerSetting(name)) return undefined;
  const refusal = REFUSALS.find(({ names }) => names.some((each) => isNamed(each, name)));
  if (refusal === undefined || asksForNothing(name, text)) return undefined;
  return `${name} is not honoured: ${refusal.why}. ${refusal.instead}.${meantInstead(name, refusal)}`;
}

/** A beginning catches slips of the pen as well. */
function meantInstead(name: string, { names }: Refusal): string {
  if (names.includes(name) || Object.hasOwn(brokerConfigTable, name)) return '';
  const nearest = nearestName(name, Object.keys(brokerConfigTable));
  return nearest === undefined ? '' : ` Did you mean ${nearest}?`;
}

function isNamed(pattern: string, name: string): boolean {
  return pattern.endsWith('.') ? name.startsWith(pattern) : name === pattern;
}

/** Whether a setting has the value that it has where nobody sets it. */
export function asksForNothing(name: string, text: string): boolean {
  const definition = Object.hasOwn(brokerConfigTable, name) ? brokerConfigTable[name] : undefined;
  if (text.trim() === '') return true;
  if (definition === undefined || definition.defaultValue === null) return false;
  const parsed = parseConfigValue(name, definition, text);
  const meant = 'value' in parsed ? formatConfigValue(definition.type, parsed.value) : text;
  return meant === formatConfigValue(definition.type, definition.defaultValue);
}
