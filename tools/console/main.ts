/**
 * `node tools/console/main.ts kafka [VERSION]...`: everything that the console's server shows and changes, on Apache Kafka: each call is
 * held to what the admin SDK sees in the cluster afterwards. Default: 3.9 and 4.1.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Admin } from '@millrace/admin';
import { createConsole } from '@millrace/console';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import type { AclRow } from '../../apps/console/src/api/contract.ts';
import { askConsole } from '../../apps/console/src/testing/ask-console.ts';
import { KAFKA_3, KAFKA_4, startApacheKafka } from '../kafka/index.ts';
import { root } from '../source/index.ts';
import { browse } from './browse.ts';
import { large } from './large.ts';
import { look } from './look.ts';
import { memory } from './memory.ts';
import { search } from './search.ts';
import { speed } from './speed.ts';
import { tails } from './tails.ts';

const cluster = 'kafka';
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};
const ACL: AclRow = {
  resource: 'topic',
  name: 'orders-',
  pattern: 'prefixed',
  principal: 'User:eve',
  host: '*',
  operation: 'read',
  permission: 'allow',
};

interface World {
  readonly asker: { readonly port: number };
  readonly admin: Admin;
  readonly bootstrapServers: string;
}

/** What is tried, in this order; each leaves what the next may need. */
const CASES: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'makes a topic with configs, and lists it': async ({ asker, admin }) => {
    const made = { cluster, topic: 'orders', partitions: 2, replication: 1, configs: { 'retention.ms': '86400000' } };
    await askConsole(asker, 'POST /api/clusters/:cluster/topics', made);
    await until(async () => (await admin.listTopics()).includes('orders'));
    const topics = await askConsole(asker, 'GET /api/clusters/:cluster/topics', { cluster });
    equal(topics.find(({ topic }) => topic === 'orders')?.partitions, 2);
    const configs = await askConsole(asker, 'GET /api/clusters/:cluster/topics/:topic/configs', {
      cluster,
      topic: 'orders',
    });
    const retention = configs.find(({ name }) => name === 'retention.ms');
    equal(retention?.value, '86400000');
    ok(retention?.documentation);
  },
  'sends a message, and finds it by path, text and script': async ({ asker }) => {
    const topic = { cluster, topic: 'orders' };
    const message = { key: 'k', value: '{"total":20}', headers: [{ name: 'h', value: 'v' }], partition: 1 };
    const sent = await askConsole(asker, 'POST /api/clusters/:cluster/topics/:topic/messages', {
      ...topic,
      ...message,
    });
    equal(sent.partition, 1);
    for (const [searchAs, search] of [
      ['jsonpath', '$.total > 10'],
      ['text', 'TOTAL'],
      ['javascript', 'value.total === 20'],
    ] as const) {
      const plan = { ...topic, from: 'beginning', searchAs, search } as const;
      const page = await askConsole(asker, 'GET /api/clusters/:cluster/topics/:topic/messages', plan);
      deepEqual(
        page.messages.map(({ key, offset }) => [key.text, offset]),
        [['k', 0]],
        searchAs,
      );
    }
  },
  'shows a group with its lag, and resets it where it was shown that it would go': async ({
    asker,
    bootstrapServers,
    admin,
  }) => {
    await admin.alterGroupOffsets('billing', [{ topic: 'orders', partition: 1, offset: 1 }]);
    const reset = { cluster, group: 'billing', topic: 'orders', to: 'earliest' } as const;
    const route = 'POST /api/clusters/:cluster/groups/:group/reset';
    const plan = await askConsole(asker, route, { ...reset, dryRun: true });
    deepEqual(
      plan.find(({ partition }) => partition === 1),
      { topic: 'orders', partition: 1, from: 1, to: 0 },
    );
    await askConsole(asker, route, { ...reset, dryRun: false });
    const offsets = await admin.listGroupOffsets('billing');
    equal(offsets.find(({ partition }) => partition === 1)?.offset, 0);
    await using consumer = new Consumer({ bootstrapServers, groupId: 'billing' });
    consumer.subscribe('orders');
    for await (const { offset } of consumer) {
      equal(offset, 0);
      break;
    }
    const detail = await askConsole(asker, 'GET /api/clusters/:cluster/groups/:group', { cluster, group: 'billing' });
    equal(detail.members.length, 1);
  },
  'shows the cluster, its brokers and their log folders': async ({ asker }) => {
    const overview = await askConsole(asker, 'GET /api/clusters/:cluster/overview', { cluster });
    equal(overview.brokers.length, 1);
    equal(overview.offline, 0);
    const dirs = await askConsole(asker, 'GET /api/clusters/:cluster/log-dirs', { cluster });
    ok(dirs.some(({ largest }) => largest.some(({ topic }) => topic === 'orders')));
    const broker = overview.brokers[0]?.id ?? 0;
    const configs = await askConsole(asker, 'GET /api/clusters/:cluster/brokers/:broker/configs', { cluster, broker });
    ok(configs.length > 100);
  },
  'makes and takes away a rule': async ({ asker, admin }) => {
    await askConsole(asker, 'POST /api/clusters/:cluster/acls', { cluster, acl: ACL });
    await until(async () => (await admin.describeAcls({ principal: 'User:eve' })).length === 1);
    const { hasAuthorizer, acls } = await askConsole(asker, 'GET /api/clusters/:cluster/acls', { cluster });
    ok(hasAuthorizer);
    deepEqual(acls, [ACL]);
    const { deleted } = await askConsole(asker, 'POST /api/clusters/:cluster/acls/delete', { cluster, acl: ACL });
    equal(deleted, 1);
  },
  'gives a user a password and takes it away': async ({ asker, admin }) => {
    const user = { cluster, user: 'eve', mechanism: 'SCRAM-SHA-512' } as const;
    await askConsole(asker, 'POST /api/clusters/:cluster/users', { ...user, password: 'eve-pw' });
    await until(async () => (await admin.describeScramUsers('all')).some(({ user: name }) => name === 'eve'));
    const users = await askConsole(asker, 'GET /api/clusters/:cluster/users', { cluster });
    deepEqual(
      users.map(({ user: name }) => name),
      ['eve'],
    );
    await askConsole(asker, 'POST /api/clusters/:cluster/users/delete', { ...user, confirm: 'eve' });
    await until(async () => (await admin.describeScramUsers('all')).length === 0);
  },
  'sets a quota for everybody, and takes it away': async ({ asker, admin }) => {
    const entity = [{ type: 'user', name: null }] as const;
    const route = 'POST /api/clusters/:cluster/quotas';
    await askConsole(asker, route, { cluster, entity, values: { producer_byte_rate: 1e6 }, unset: [] });
    await until(async () => (await admin.describeClientQuotas()).length === 1);
    const quotas = await askConsole(asker, 'GET /api/clusters/:cluster/quotas', { cluster });
    deepEqual(quotas, [{ entity, values: { producer_byte_rate: 1e6 } }]);
    await askConsole(asker, route, { cluster, entity, values: {}, unset: ['producer_byte_rate'] });
    await until(async () => (await admin.describeClientQuotas()).length === 0);
  },
  'shows a transaction that is open, and aborts it': async ({ asker, bootstrapServers }) => {
    const producer = new Producer({ bootstrapServers, transactionalId: 'copy-job' });
    const transaction = await producer.begin();
    await transaction.send({ topic: 'orders', value: 'not yet', partition: 0 });
    const list = async () =>
      (await askConsole(asker, 'GET /api/clusters/:cluster/transactions', { cluster })).transactions;
    await until(async () => (await list())[0]?.state === 'Ongoing');
    deepEqual((await list())[0]?.partitions, [{ topic: 'orders', partition: 0 }]);
    const abort = { cluster, id: 'copy-job', confirm: 'copy-job' };
    await askConsole(asker, 'POST /api/clusters/:cluster/transactions/abort', abort);
    await until(async () => (await list())[0]?.state !== 'Ongoing');
    ok(
      await transaction.commit().then(
        () => false,
        () => true,
      ),
    );
    await producer.close().catch(() => undefined);
  },
  'expands, empties and deletes the topic': async ({ asker, admin }) => {
    const topic = { cluster, topic: 'orders' };
    await askConsole(asker, 'POST /api/clusters/:cluster/topics/:topic/partitions', { ...topic, count: 3 });
    await until(async () => (await admin.describeTopics(['orders']))[0]?.partitions.length === 3);
    await askConsole(asker, 'POST /api/clusters/:cluster/topics/:topic/empty', { ...topic, confirm: 'orders' });
    const [start] = await admin.listOffsets([{ topic: 'orders', partition: 1, at: 'earliest' }]);
    equal(start?.offset, 1);
    await askConsole(asker, 'POST /api/clusters/:cluster/topics/:topic/delete', { ...topic, confirm: 'orders' });
    await until(async () => !(await admin.listTopics()).includes('orders'));
  },
};

const PATIENCE_MS = 20_000;

/** A KRaft controller tells brokers of changes a moment later. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const limitMs = performance.now() + PATIENCE_MS;
  while (!(await isSo().catch(() => false))) {
    ok(performance.now() < limitMs, 'it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function against(version: string): Promise<number> {
  const kafka = await startApacheKafka({ version, config: AUTHORIZER });
  const admin = new Admin({ bootstrapServers: kafka.bootstrap });
  const served = await createConsole({ clusters: { [cluster]: { bootstrapServers: kafka.bootstrap } } });
  let failed = 0;
  try {
    const world = { asker: { port: await served.listen({ port: 0 }) }, admin, bootstrapServers: kafka.bootstrap };
    for (const [name, attempt] of Object.entries(CASES)) {
      try {
        await attempt(world);
        console.log(`ok      Kafka ${version}: ${name}`);
      } catch (error) {
        failed += 1;
        console.log(
          `FAILED  Kafka ${version}: ${name}\n        ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  } finally {
    await served.close();
    await admin.close();
    await kafka.stop();
  }
  return failed;
}

/**
 * What runs on Kafka too, each file on one of its own: the browser tests, and those of the server that look at a cluster or change it. The
 * others need no cluster, or one whose answers they hold, or one with logins of its own (`kafka` here makes rules and users on Kafka).
 */
const TESTS_ON_KAFKA = [
  'tools/console/page.test.ts',
  'tools/console/page-work.test.ts',
  ...['console', 'hostile', 'export', 'rights'].map((name) => `apps/console/src/${name}.test.ts`),
  ...['read', 'tails', 'outcomes', 'copies', 'batch-look'].map((name) => `apps/console/src/messages/${name}.test.ts`),
];

/** A JVM takes its share of the machine. */
const TEST_MS_MAX = 120_000;

async function testsAgainst(version: string, only: string): Promise<boolean> {
  let isWell = true;
  for (const file of TESTS_ON_KAFKA.filter((each) => basename(each).includes(only))) {
    const kafka = await startApacheKafka({ version });
    try {
      console.log(`${file} against Apache Kafka ${version}`);
      const env = { ...process.env, KAFKA_BOOTSTRAP: kafka.bootstrap };
      const args = ['run', file, `--testTimeout=${TEST_MS_MAX}`, `--hookTimeout=${TEST_MS_MAX}`];
      const { status } = spawnSync('vitest', args, { cwd: root, env, stdio: 'inherit' });
      isWell &&= status === 0;
    } finally {
      await kafka.stop();
    }
  }
  return isWell;
}

const [verb, ...versions] = process.argv.slice(2);
if (verb === 'kafka') {
  let failed = 0;
  for (const version of versions.length === 0 ? [KAFKA_3, KAFKA_4] : versions) failed += await against(version);
  process.exitCode = failed === 0 ? 0 : 1;
} else if (verb === 'browse') {
  process.exitCode = (await browse(versions)) === 0 ? 0 : 1;
} else if (verb === 'test') {
  const { values, positionals } = parseArgs({
    args: versions,
    allowPositionals: true,
    options: { only: { type: 'string', default: '' } },
  });
  for (const version of positionals.length === 0 ? [KAFKA_3, KAFKA_4] : positionals) {
    if (!(await testsAgainst(version, values.only))) process.exitCode = 1;
  }
} else if (verb === 'look') {
  await look(versions);
} else if (verb === 'large') {
  await large(versions);
} else if (verb === 'memory') {
  await memory(versions);
} else if (verb === 'search') {
  await search(versions);
} else if (verb === 'speed') {
  await speed(versions);
} else if (verb === 'tails') {
  await tails(versions);
} else {
  console.error(
    'usage: node tools/console/main.ts kafka [VERSION]...\n       node tools/console/main.ts browse [VERSION]...\n       node tools/console/main.ts test [VERSION]... [--only FILE]\n       node tools/console/main.ts look [FOLDER]\n       node tools/console/main.ts large\n       node tools/console/main.ts memory\n       node tools/console/main.ts search\n       node tools/console/main.ts speed\n       node tools/console/main.ts tails',
  );
  process.exitCode = 2;
}
