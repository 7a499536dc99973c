/**
 * Who may do what with each node that a broker makes with zookeeper.set.acl: Apache Kafka 3.9.1's and ours are asked for the same, on one
 * secured server of ZooKeeper, and `getAcl` of every node is held against that of the other's.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { freePort, KAFKA_3, startApacheKafka } from '../kafka/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';
import { zkCli } from './zk-cli.ts';

const HOST = '127.0.0.1';
const READY_MS_MAX = 60_000;
const LOGIN = 'org.apache.zookeeper.server.auth.DigestLoginModule required';
/** What ZooKeeper's command line prints when it is asked who it is: stands between the answers. */
const BETWEEN = /^ZooKeeper CLI version:.*$/m;

/** Rights by nodes, as `getAcl` prints them, in any order. */
type Rights = ReadonlyMap<string, string>;

/** Prints what differs, and returns how many nodes do. */
export async function compareNodeRights(print: (line: string) => void): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-node-rights-'));
  const [serverLogin, clientLogin] = [join(folder, 'server.conf'), join(folder, 'client.conf')] as const;
  writeFileSync(serverLogin, `Server { ${LOGIN} user_broker="zk-pw"; };\n`);
  writeFileSync(clientLogin, `Client { ${LOGIN} username="broker" password="zk-pw"; };\n`);
  const jvm = [`-Djava.security.auth.login.config=${clientLogin}`];
  const ensemble = await ZooKeeperEnsemble.start({
    settings: { 'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider' },
    jvm: [`-Djava.security.auth.login.config=${serverLogin}`],
  });
  try {
    const connect = ensemble.connectString;
    const kafkaPort = await freePort();
    const kafka = await startApacheKafka({
      port: kafkaPort,
      config: settingsOf(kafkaPort),
      zooKeeper: { connect: `${connect}/kafka`, brokerId: 1 },
      heap: '512m',
      jvm,
    });
    const theirs = await rightsAfterUse(kafkaPort, ensemble.portOf(1), '/kafka', jvm).finally(() => kafka.stop());
    const herePort = await freePort();
    const here = await SpawnedBroker.start({
      folder: join(folder, 'data'),
      settings: {
        ...settingsOf(herePort),
        'broker.id': '1',
        'zookeeper.connect': `${connect}/millrace`,
        'millrace.zookeeper.login.config': clientLogin,
      },
    });
    const ours = await rightsAfterUse(herePort, ensemble.portOf(1), '/millrace', jvm).finally(() => here.stop());
    return report(theirs, ours, print);
  } finally {
    await ensemble.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(port: number): Record<string, string> {
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  return {
    listeners: `CLIENT://${HOST}:${port}`,
    'advertised.listeners': `CLIENT://${HOST}:${port}`,
    'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT',
    'inter.broker.listener.name': 'CLIENT',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.client.plain.sasl.jaas.config': `${module} username="admin" password="admin-pw" user_admin="admin-pw";`,
    'listener.name.client.scram-sha-256.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'zookeeper.set.acl': 'true',
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:admin',
    'delegation.token.secret.key': 'secret',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
  };
}

/** Has the broker make a node of each kind, and asks who may do what with each. */
async function rightsAfterUse(
  port: number,
  zooKeeperPort: number,
  top: string,
  jvm: readonly string[],
): Promise<Rights> {
  await use(port);
  const listed = await zkCli(zooKeeperPort, [`ls -R ${top}`], jvm);
  const paths = listed.split('\n').filter((line) => line.startsWith(top));
  if (paths.length === 0) throw new Error(`ZooKeeper lists nothing below ${top}:\n${listed.slice(-2000)}`);
  const printed = await zkCli(
    zooKeeperPort,
    paths.flatMap((path) => ['version', `getAcl ${path}`]),
    jvm,
  );
  const blocks = printed.split(new RegExp(BETWEEN, 'gm')).slice(1);
  if (blocks.length !== paths.length) throw new Error(`${paths.length} nodes were asked for, ${blocks.length} told of`);
  return new Map(
    paths.map((path, index) => {
      // One line says who, and the next what he may do.
      const rules = [...(blocks[index] ?? '').matchAll(/^'(.*)\n: (\w+)$/gm)].map(([, who, may]) => `${who} ${may}`);
      if (rules.length === 0) throw new Error(`ZooKeeper tells of no rights to ${path}:\n${blocks[index]}`);
      return [namedAlike(path.slice(top.length)), rules.toSorted().join(', ')];
    }),
  );
}

/** Without the numbers of sequences and the ids of tokens. */
function namedAlike(path: string): string {
  return path.replace(/\d{10}$/, 'N').replace(/(\/tokens\/).+$/, '$1N') || '/';
}

async function use(port: number): Promise<void> {
  await using admin = new Admin({
    bootstrapServers: `${HOST}:${port}`,
    sasl: { mechanism: 'PLAIN', username: 'admin', password: 'admin-pw' },
  });
  await untilReady(() => admin.createTopics([{ topic: 't', partitions: 1, replicationFactor: 1 }]));
  const rule = { principal: 'User:a', permission: 'allow', operation: 'read', resourceType: 'topic' } as const;
  await admin.createAcls([
    { ...rule, resourceName: 't' },
    { ...rule, resourceName: 'p', patternType: 'prefixed' },
  ]);
  await admin.alterClientQuotas([
    { entity: [{ type: 'user', name: 'alice' }], set: { producer_byte_rate: 1000 } },
    { entity: [{ type: 'client-id', name: 'c' }], set: { producer_byte_rate: 1000 } },
    { entity: [{ type: 'ip', name: '10.0.0.1' }], set: { connection_creation_rate: 10 } },
  ]);
  await admin.setScramPasswords([{ user: 'bob', mechanism: 'SCRAM-SHA-256', password: 'bob-pw' }]);
  await admin.alterConfigs([
    { type: 'topic', name: 't', set: { 'retention.ms': '1000' } },
    { type: 'broker', name: '1', set: { 'log.cleaner.threads': '2' } },
  ]);
  await admin.createDelegationToken({});
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

function report(kafka: Rights, here: Rights, print: (line: string) => void): number {
  let differing = 0;
  for (const [path, theirs] of kafka) {
    const ours = here.get(path);
    if (ours === undefined || ours === theirs) continue;
    differing += 1;
    print(`  DIFFERS: ${path}\n    Kafka: ${theirs}\n    here:  ${ours}`);
  }
  const both = [...kafka.keys()].filter((path) => here.has(path));
  print(`${both.length} nodes of Apache Kafka ${KAFKA_3} are here too: ${differing} with other rights`);
  for (const [name, these, those] of [
    ['Kafka', kafka, here],
    ['ours', here, kafka],
  ] as const) {
    for (const [path, rights] of these) if (!those.has(path)) print(`  only ${name}: ${path}: ${rights}`);
  }
  return differing;
}
