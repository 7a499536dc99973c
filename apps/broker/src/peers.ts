import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import type { BrokerConfig, Logger, Peers } from '@millrace/broker';
import { oauthBearerFrom, ReconnectingConnection, type SaslOptions, tokenSourceFault } from '@millrace/network';
import type { LiveCertificates } from './security/live-certificates.ts';
import { StartError } from './start-error.ts';

/**
 * Other brokers over sockets, in the way of the listener for brokers: with its certificates, and logged in by its mechanism.
 * @throws StartError START_CONFIG_INVALID where a member of a cluster could not log in to the others
 */
export function connectionPeers(
  config: BrokerConfig,
  logger: Logger,
  certificates: ReadonlyMap<string, LiveCertificates>,
  isMember: boolean,
): Peers {
  const name = config.interBrokerListenerName;
  const security = config.listenerSecurity.get(name);
  const live = certificates.get(name);
  const sasl = security?.sasl === undefined ? undefined : interBrokerLogin(config, isMember);
  const verifiesHost = security?.ssl?.verifiesHost ?? true;
  return {
    lane: ({ host, port }, clientId) =>
      new ReconnectingConnection({
        host,
        port,
        clientId,
        connectTimeoutMs: config.controllerSocketTimeoutMs,
        responseBytesMax: config.replicaFetchResponseMaxBytes + RESPONSE_OVERHEAD_BYTES_MAX,
        logger,
        sasl,
        // It is this broker's own listener, too.
        isLoginKnown: true,
        // Asked for at every connection, so that new certificates are shown and trusted.
        tls: live === undefined ? undefined : () => clientTls(live, verifiesHost),
      }),
  };
}

function clientTls({ options }: LiveCertificates, verifiesHost: boolean): TlsConnectionOptions {
  const { ca, cert, key, pfx, passphrase, minVersion, maxVersion, ciphers } = options;
  const given = Object.entries({ ca, cert, key, pfx, passphrase, minVersion, maxVersion, ciphers });
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(verifiesHost ? {} : { checkServerIdentity: () => undefined }),
  };
}

function interBrokerLogin(config: BrokerConfig, isMember: boolean): SaslOptions | undefined {
  const { saslMechanismInterBrokerProtocol: mechanism, interBrokerListenerName: name } = config;
  const settings = config.listenerSecurity.get(name)?.sasl?.mechanisms.get(mechanism);
  const login = settings?.login;
  if (login !== undefined) {
    if (mechanism === 'PLAIN') return { mechanism, ...login };
    // The settings let no other mechanism through than PLAIN and these.
    return { mechanism: mechanism as 'SCRAM-SHA-256' | 'SCRAM-SHA-512', ...login };
  }
  const key = `listener.name.${name.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`;
  const ownTokens = settings?.ownTokens;
  if (ownTokens !== undefined) {
    const fault = tokenSourceFault(ownTokens);
    if (fault === undefined) return oauthBearerFrom(ownTokens);
    throw new StartError(
      'START_CONFIG_INVALID',
      `Brokers could not log in to each other on listener ${name}: ${fault}`,
    );
  }
  if (!isMember) return undefined;
  const listed = [...(config.listenerSecurity.get(name)?.sasl?.mechanisms.keys() ?? [])].join(', ');
  const why =
    mechanism === 'GSSAPI'
      ? ' (which is what Kafka takes where nothing is set: Kerberos needs libraries of the system that this broker does not load)'
      : '';
  const identity =
    mechanism === 'OAUTHBEARER' ? 'clientId="..." and clientSecret="..."' : 'username="..." and password="..."';
  const endpoint = mechanism === 'OAUTHBEARER' ? ', and sasl.oauthbearer.token.endpoint.url' : '';
  throw new StartError(
    'START_CONFIG_INVALID',
    settings === undefined
      ? `sasl.mechanism.inter.broker.protocol=${mechanism}${why} is not among the mechanisms of listener ${name}, over which brokers speak: set it to one of ${listed}`
      : `Brokers could not log in to each other on listener ${name}: give ${identity} in ${key}${endpoint}`,
  );
}

/** What a Fetch's answer may have beside records, and the one batch that may be larger than was asked for. */
const RESPONSE_OVERHEAD_BYTES_MAX = 256 * 1024 * 1024;
