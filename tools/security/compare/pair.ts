/** Two brokers with one server.properties: Apache Kafka 3.9.1 in ZooKeeper mode, and ours. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { makeRunCertificates, type RunCertificates } from '../../compat/secured/certificates.ts';
import { SpawnedBroker } from '../../faults/spawned-broker.ts';
import { freePort, KAFKA_3, startApacheKafka } from '../../kafka/index.ts';

const HOST = '127.0.0.1';
export const BROKER_ID = 0;
/** How late a failed login is answered. */
export const FAILED_LOGIN_MS = 100;
/** How long a login holds at the listener AGAIN. */
export const SESSION_MS = 3000;

/** Listeners by their names. */
const LISTENERS = { OPEN: 'PLAINTEXT', CLIENT: 'SASL_PLAINTEXT', AGAIN: 'SASL_PLAINTEXT', TLS: 'SSL' } as const;
export type ListenerName = keyof typeof LISTENERS;
type Ports = Readonly<Record<ListenerName, number>>;

/** Who may log in by PLAIN; the recorded logins have these. */
export const PASSWORDS = { alice: 'alice-pw', bob: 'bob-pw', admin: 'admin-pw' } as const;

export interface Compared {
  readonly name: string;
  readonly ports: Ports;
  stop(): Promise<void>;
}

export interface Pair {
  readonly kafka: Compared;
  readonly here: Compared;
  readonly certificates: RunCertificates;
  stop(): Promise<void>;
}

/** Starts both. @throws Error where one does not start */
export async function startPair(): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compare-'));
  const certificates = makeRunCertificates(folder);
  const started = await Promise.allSettled([
    startOne(`Apache Kafka ${KAFKA_3}`, join(folder, 'kafka'), certificates),
    startOne('Millrace', join(folder, 'millrace'), certificates),
  ]);
  const stop = async (): Promise<void> => {
    for (const each of started) if (each.status === 'fulfilled') await each.value.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const [kafka, here] = started;
  if (kafka.status === 'fulfilled' && here.status === 'fulfilled') {
    return { kafka: kafka.value, here: here.value, certificates, stop };
  }
  await stop();
  throw started.find((each) => each.status === 'rejected')?.reason;
}

/** A broker on an ensemble of its own. */
async function startOne(name: string, folder: string, certificates: RunCertificates): Promise<Compared> {
  mkdirSync(folder);
  const store = new ZooKeeperServer({ store: new MemoryMetadataStore(), clock: systemClock, random: systemRandom });
  const zooKeeper = await ZooKeeperListener.listen(store, { host: HOST, port: 0 });
  const connect = `${HOST}:${zooKeeper.port}`;
  const ports = Object.fromEntries(
    await Promise.all(Object.keys(LISTENERS).map(async (each) => [each, await freePort()] as const)),
  ) as Ports; // One of each listener.
  const config = settingsOf(ports, certificates);
  const broker =
    name === 'Millrace'
      ? await SpawnedBroker.start({
          folder: join(folder, 'data'),
          settings: { ...config, 'broker.id': BROKER_ID, 'zookeeper.connect': connect },
        })
      : await startApacheKafka({
          version: KAFKA_3,
          port: ports.OPEN,
          config,
          zooKeeper: { connect, brokerId: BROKER_ID },
          heap: '512m',
        });
  return {
    name,
    ports,
    async stop() {
      await broker.stop();
      await zooKeeper.close();
      await store.close();
    },
  };
}

const MODULES = 'org.apache.kafka.common.security';

/** As the broker was set whose answers are recorded. */
function settingsOf(ports: Ports, certificates: RunCertificates): Record<string, string> {
  const names = Object.keys(LISTENERS) as ListenerName[];
  const addresses = names.map((name) => `${name}://${HOST}:${ports[name]}`).join(',');
  const users = Object.entries(PASSWORDS).map(([user, password]) => `user_${user}="${password}"`);
  const logins = ['client', 'again'].flatMap((name) => [
    [`listener.name.${name}.plain.sasl.jaas.config`, `${MODULES}.plain.PlainLoginModule required ${users.join(' ')};`],
    ...['scram-sha-256', 'scram-sha-512'].map((mechanism) => [
      `listener.name.${name}.${mechanism}.sasl.jaas.config`,
      `${MODULES}.scram.ScramLoginModule required;`,
    ]),
  ]);
  return {
    listeners: addresses,
    'advertised.listeners': addresses,
    'listener.security.protocol.map': names.map((name) => `${name}:${LISTENERS[name]}`).join(','),
    'inter.broker.listener.name': 'OPEN',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.again.connections.max.reauth.ms': String(SESSION_MS),
    'listener.name.tls.ssl.keystore.type': 'PEM',
    'listener.name.tls.ssl.keystore.location': certificates.broker.both,
    'listener.name.tls.ssl.truststore.type': 'PEM',
    'listener.name.tls.ssl.truststore.location': certificates.authority,
    'listener.name.tls.ssl.client.auth': 'requested',
    ...Object.fromEntries(logins),
    'connection.failed.authentication.delay.ms': String(FAILED_LOGIN_MS),
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:ANONYMOUS;User:admin',
    'delegation.token.secret.key': 'test-secret',
    'auto.create.topics.enable': 'true',
    // What is written has the time of the recording.
    'log.retention.ms': '-1',
    'offsets.topic.num.partitions': '2',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '2',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  };
}
