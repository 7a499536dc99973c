import { HONOURED_SASL, HONOURED_SSL, KERBEROS_TICKETS } from './listener-security.ts';
import type { ListenerEndpoint } from './listeners.ts';
import { asksForNothing } from './refused-settings.ts';
import type { ConfigProperties } from './topic-config.ts';

/** What of the settings makes others mean something. */
interface Surroundings {
  readonly endpoints: readonly ListenerEndpoint[];
  readonly usesZooKeeper: boolean;
}

const LISTENER_PREFIX = /^listener\.name\.([^.]+)\./;
const MECHANISM_PREFIX = /^(?:plain|scram-sha-256|scram-sha-512|oauthbearer)\./;

/** What is said of a setting. */
interface Said {
  readonly name: string;
  readonly message: string;
}

/**
 * Settings of TLS where no listener has it, and of logins where nobody logs in, or of a listener that has none. Kafka starts with them, and
 * is open where they were to close it; here they keep the broker from starting, as everything does that is asked for and not honoured.
 */
export function unhonouredSettings(properties: ConfigProperties, { endpoints }: Surroundings): readonly Said[] {
  return Object.entries(properties).flatMap(([name, text]) => {
    const why = isOfClients(name) ? whyNoListener(name, endpoints) : undefined;
    if (why === undefined || asksForNothing(name, text)) return [];
    return [{ name, message: `${name} is not honoured: ${why}, or remove it.` }];
  });
}

/** How brokers log in to each other, and for how long a login holds, closes nothing to anybody. */
function isOfClients(name: string): boolean {
  return name !== 'sasl.mechanism.inter.broker.protocol' && !name.endsWith('connections.max.reauth.ms');
}

/**
 * Settings of safety that mean nothing beside the others, and leave nothing open: Kafka starts with them, and so does this broker; but
 * whoever believes that they hold shall hear that they do not.
 */
export function idleSettings(properties: ConfigProperties, surroundings: Surroundings): readonly Said[] {
  const idle = Object.entries(properties).flatMap(([name, text]) => {
    const why = whyIdle(name, surroundings) ?? whyUnasked(name, properties, surroundings);
    if (why === undefined || asksForNothing(name, text)) return [];
    return [{ name, message: `${name} has no effect: ${why}, or remove it.` }];
  });
  return [...idle, ...emptySecret(properties)];
}

const TOKEN_SECRETS = ['delegation.token.secret.key', 'delegation.token.master.key'] as const;

/** Somebody who names the secret wants tokens; what a script has left empty turns them off, as with Kafka. */
function emptySecret(properties: ConfigProperties): Said[] {
  const [name] = TOKEN_SECRETS.filter((each) => properties[each] !== undefined);
  if (name === undefined || TOKEN_SECRETS.some((each) => (properties[each] ?? '').trim() !== '')) return [];
  const message = `${name} is empty, so that there are no delegation tokens: who asks for one is refused. Set it to a secret, the same at all brokers, or remove it.`;
  return [{ name, message }];
}

/** A listener with logins has its own `ssl.client.auth` or none (KIP-684). Where all of them must show one, that has been refused. */
function whyUnasked(name: string, properties: ConfigProperties, { endpoints }: Surroundings): string | undefined {
  if (name !== 'ssl.client.auth') return undefined;
  const ownName = (listener: string): string => `listener.name.${listener.toLowerCase()}.${name}`;
  const unasked = endpoints.find(
    (each) => each.securityProtocol === 'SASL_SSL' && properties[ownName(each.name)] === undefined,
  );
  return (
    unasked &&
    `the listener ${unasked.name} asks for a login, and for a certificate only by its own setting. Set ${ownName(unasked.name)}`
  );
}

/** Why no listener that a setting is for can honour it. */
function whyNoListener(name: string, endpoints: Surroundings['endpoints']): string | undefined {
  const listener = LISTENER_PREFIX.exec(name)?.[1];
  const served = endpoints.filter((each) => listener === undefined || each.name.toLowerCase() === listener);
  const noneOf = (does: string, doesNot: string): string =>
    listener === undefined ? `no listener ${does}` : `the listener ${listener.toUpperCase()} does not ${doesNot}`;
  const key = name.replace(LISTENER_PREFIX, '').replace(MECHANISM_PREFIX, '');
  if (HONOURED_SSL.includes(key) && !served.some(({ securityProtocol }) => securityProtocol.endsWith('SSL'))) {
    return `${noneOf('uses TLS', 'use TLS')}, so that nothing is encrypted and nobody shows a certificate. Give a listener the protocol SSL or SASL_SSL`;
  }
  const isOfLogins =
    HONOURED_SASL.includes(key) || key === 'sasl.jaas.config' || key === 'sasl.server.callback.handler.class';
  if (isOfLogins && !served.some(({ securityProtocol }) => securityProtocol.startsWith('SASL_'))) {
    return `${noneOf('asks for a login', 'ask for a login')}, so that everybody is let in. Give a listener the protocol SASL_SSL`;
  }
  return undefined;
}

function whyIdle(name: string, { endpoints, usesZooKeeper }: Surroundings): string | undefined {
  const why = whyNoListener(name, endpoints);
  if (why !== undefined) return why;
  if (name === 'control.plane.listener.name') {
    return 'controllers and brokers of this kind talk to each other over inter.broker.listener.name. Leave it for Kafka';
  }
  if (KERBEROS_TICKETS.includes(name)) return 'nobody logs in by Kerberos here. Leave it for Kafka';
  if ((name === 'zookeeper.set.acl' || name.startsWith('zookeeper.ssl.')) && !usesZooKeeper) {
    return 'this broker keeps its own metadata, in its data folder. Set zookeeper.connect';
  }
  if (
    name.startsWith('password.encoder.') &&
    !endpoints.some(({ securityProtocol }) => securityProtocol.endsWith('SSL'))
  ) {
    return 'no listener uses TLS, and the passwords of certificates are all that is stored. Give a listener the protocol SSL or SASL_SSL';
  }
  return undefined;
}
