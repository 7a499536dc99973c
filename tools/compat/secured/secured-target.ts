/** The broker that secured clients meet: ours, or Apache Kafka 3.9.1 with the very same settings. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, type NewAcl } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { SpawnedBroker } from '../../faults/spawned-broker.ts';
import { freePort, KAFKA_3, startApacheKafka } from '../../kafka/index.ts';
import { makeRunCertificates, type RunCertificates } from './certificates.ts';
import { AUDIENCE, TokenProvider } from './token-provider.ts';

const HOST = '127.0.0.1';
const READY_MS_MAX = 60_000;
/** Small, so that whoever has got his password wrong is told so soon. */
const FAILED_LOGIN_MS = 100;

/** Listeners by their names, with the protocol of each. The last two show another host's certificate. */
export const LISTENERS = {
  SSL: 'SSL',
  MTLS: 'SSL',
  SASL_PLAINTEXT: 'SASL_PLAINTEXT',
  SASL_SSL: 'SASL_SSL',
  ELSEWHERE: 'SSL',
  ELSEWHERE_SASL: 'SASL_SSL',
} as const;
export type ListenerName = keyof typeof LISTENERS;

export const PASSWORDS = { admin: 'admin-pw', alice: 'alice-pw' } as const;
/** What alice may write and read, and what nobody may. */
export const TOPICS = { allowed: 'orders', forbidden: 'secrets' } as const;
export const GROUP_PREFIX = 'matrix-';

export interface SecuredTarget {
  readonly name: string;
  readonly certificates: RunCertificates;
  readonly provider: TokenProvider;
  /** How the administrator comes in. */
  readonly admin: ClientOptions;
  bootstrap(listener: ListenerName): string;
  stop(): Promise<void>;
}

type Ports = Readonly<Record<ListenerName, number>>;

/**
 * @param wanted - `millrace`, or `apache` for Kafka 3.9.1, in ZooKeeper mode
 * @param further - Settings beside those of the matrix
 */
export async function startSecuredTarget(
  wanted = 'millrace',
  further: Readonly<Record<string, string>> = {},
): Promise<SecuredTarget> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-secured-'));
  const certificates = makeRunCertificates(folder);
  const provider = await TokenProvider.start(PASSWORDS);
  const store = new ZooKeeperServer({ store: new MemoryMetadataStore(), clock: systemClock, random: systemRandom });
  const zooKeeper = await ZooKeeperListener.listen(store, { host: HOST, port: 0 });
  const ports = Object.fromEntries(
    await Promise.all(Object.keys(LISTENERS).map(async (name) => [name, await freePort()] as const)),
  ) as Ports; // One of each listener.
  const connect = `${HOST}:${zooKeeper.port}`;
  const settings = { ...settingsOf(ports, certificates, provider), ...further };
  const broker = wanted.startsWith('apache')
    ? await startApacheKafka({
        version: KAFKA_3,
        port: ports.SASL_PLAINTEXT,
        config: settings,
        zooKeeper: { connect, brokerId: 1 },
        heap: '512m',
      })
    : await SpawnedBroker.start({
        folder: join(folder, 'data'),
        settings: { ...settings, 'broker.id': 1, 'zookeeper.connect': connect },
      });
  const target: SecuredTarget = {
    name: wanted.startsWith('apache') ? `Apache Kafka ${KAFKA_3}` : 'Millrace',
    certificates,
    provider,
    admin: {
      bootstrapServers: `${HOST}:${ports.SASL_PLAINTEXT}`,
      sasl: { mechanism: 'PLAIN', username: 'admin', password: PASSWORDS.admin },
    },
    bootstrap: (listener) => `${HOST}:${ports[listener]}`,
    async stop() {
      await broker.stop();
      await provider.stop();
      await zooKeeper.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await prepare(target.admin);
  } catch (error) {
    await target.stop();
    throw error;
  }
  return target;
}

const MODULES = 'org.apache.kafka.common.security';

/** Settings that Kafka takes as well as we. */
function settingsOf(ports: Ports, certificates: RunCertificates, provider: TokenProvider): Record<string, string> {
  const names = Object.keys(LISTENERS) as ListenerName[];
  const addresses = names.map((name) => `${name}://${HOST}:${ports[name]}`).join(',');
  const users = Object.entries(PASSWORDS).map(([user, password]) => `user_${user}="${password}"`);
  const login = `username="admin" password="${PASSWORDS.admin}"`;
  const secrets: Record<string, string> = {};
  for (const name of names.filter((name) => LISTENERS[name].startsWith('SASL'))) {
    const own = `listener.name.${name.toLowerCase()}`;
    const plain = `${MODULES}.plain.PlainLoginModule required ${[login, ...users].join(' ')};`;
    secrets[`${own}.plain.sasl.jaas.config`] = plain;
    for (const mechanism of ['scram-sha-256', 'scram-sha-512']) {
      secrets[`${own}.${mechanism}.sasl.jaas.config`] = `${MODULES}.scram.ScramLoginModule required;`;
    }
    secrets[`${own}.oauthbearer.sasl.jaas.config`] = `${MODULES}.oauthbearer.OAuthBearerLoginModule required;`;
    secrets[`${own}.oauthbearer.sasl.server.callback.handler.class`] =
      `${MODULES}.oauthbearer.OAuthBearerValidatorCallbackHandler`;
  }
  return {
    listeners: addresses,
    'advertised.listeners': addresses,
    'listener.security.protocol.map': names.map((name) => `${name}:${LISTENERS[name]}`).join(','),
    'inter.broker.listener.name': 'SASL_PLAINTEXT',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.broker.both,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.authority,
    'listener.name.mtls.ssl.client.auth': 'required',
    'listener.name.mtls.ssl.principal.mapping.rules': 'RULE:^CN=([^,]+)$/$1/,DEFAULT',
    ...Object.fromEntries(
      ['elsewhere', 'elsewhere_sasl'].flatMap((name) => [
        [`listener.name.${name}.ssl.keystore.type`, 'PEM'],
        [`listener.name.${name}.ssl.keystore.location`, certificates.elsewhere.both],
      ]),
    ),
    ...secrets,
    'sasl.oauthbearer.jwks.endpoint.url': provider.keysUrl,
    'sasl.oauthbearer.expected.audience': AUDIENCE,
    'sasl.oauthbearer.expected.issuer': provider.issuer,
    'connection.failed.authentication.delay.ms': String(FAILED_LOGIN_MS),
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:admin',
    'delegation.token.secret.key': 'a secret of this run',
    'password.encoder.secret': 'another secret of this run',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
  };
}

/** Makes topics, SCRAM credentials and rules. */
async function prepare(client: ClientOptions): Promise<void> {
  await using admin = new Admin(client);
  const topics = Object.values(TOPICS).map((topic) => ({ topic, partitions: 1, replicationFactor: 1 }));
  await untilReady(() => admin.createTopics(topics));
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    const users = Object.entries(PASSWORDS);
    await admin.setScramPasswords(users.map(([user, password]) => ({ user, mechanism, password, iterations: 4096 })));
  }
  const rule = (principal: string, rest: object): NewAcl => ({ principal, permission: 'allow', ...rest }) as NewAcl;
  const ofTopic = { resourceType: 'topic', resourceName: TOPICS.allowed } as const;
  const ofGroups = { resourceType: 'group', resourceName: GROUP_PREFIX, patternType: 'prefixed' } as const;
  const allowed = ['User:alice', 'User:ANONYMOUS'].flatMap((principal) => [
    rule(principal, { ...ofTopic, operation: 'read' }),
    rule(principal, { ...ofTopic, operation: 'write' }),
    rule(principal, { ...ofGroups, operation: 'read' }),
    rule(principal, { resourceType: 'topic', resourceName: TOPICS.forbidden, operation: 'describe' }),
  ]);
  await admin.createAcls(allowed);
}

/** Kafka accepts connections a moment before it does what it is asked. */
async function untilReady(act: () => Promise<unknown>): Promise<void> {
  const untilMs = performance.now() + READY_MS_MAX;
  for (;;) {
    try {
      await act();
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(200);
    }
  }
}
