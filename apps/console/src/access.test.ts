import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AclRow } from './api/contract.ts';
import { type Console, createConsole } from './index.ts';
import { askConsole } from './testing/ask-console.ts';

const RULE: AclRow = {
  resource: 'topic',
  name: 'orders-',
  pattern: 'prefixed',
  principal: 'User:eve',
  host: '*',
  operation: 'read',
  permission: 'allow',
};

describe('a cluster with users and rules', () => {
  let broker: TestBroker;
  let admin: Admin;
  let served: Console;
  let asker: { port: number };
  const noted: object[] = [];

  beforeAll(async () => {
    broker = await startBroker({
      users: { root: 'root-pw' },
      acls: [
        { user: 'root', operation: 'all', cluster: true },
        { user: 'root', operation: 'all', topic: '*' },
        { user: 'root', operation: 'all', transactionalId: '*' },
      ],
      topics: ['orders'],
    });
    const sasl = { mechanism: 'PLAIN', username: 'root', password: 'root-pw' } as const;
    const connection = { bootstrapServers: broker.bootstrapServers, sasl };
    admin = new Admin(connection);
    const note = (fields: object): void => void noted.push(fields);
    const logger = { debug: () => undefined, info: note, warn: note, error: note };
    served = await createConsole({ clusters: { secure: connection }, logger });
    asker = { port: await served.listen({ port: 0 }) };
  });
  afterAll(async () => {
    await admin.close();
    await served.close();
    await broker.close();
  });

  it('shows its rules, and has one made and taken away, whole and no other', async () => {
    const acl = RULE;
    await askConsole(asker, 'POST /api/clusters/:cluster/acls', { cluster: 'secure', acl });
    expect(await admin.describeAcls({ principal: 'User:eve' })).toMatchObject([
      { resourceType: 'topic', resourceName: 'orders-', patternType: 'prefixed', operation: 'read' },
    ]);
    const { acls, hasAuthorizer } = await askConsole(asker, 'GET /api/clusters/:cluster/acls', { cluster: 'secure' });
    expect(hasAuthorizer).toBe(true);
    expect(acls).toContainEqual(acl);
    const others = acls.length - 1;
    const { deleted } = await askConsole(asker, 'POST /api/clusters/:cluster/acls/delete', { cluster: 'secure', acl });
    expect(deleted).toBe(1);
    expect(await admin.describeAcls()).toHaveLength(others);
  });

  it('gives a user a password, which is in no log, and takes it away when the name is typed', async () => {
    const credential = { cluster: 'secure', user: 'eve', mechanism: 'SCRAM-SHA-512' } as const;
    await askConsole(asker, 'POST /api/clusters/:cluster/users', { ...credential, password: 'never-to-be-told' });
    expect(JSON.stringify(noted)).toContain('eve');
    expect(JSON.stringify(noted)).not.toContain('never-to-be-told');
    const users = await askConsole(asker, 'GET /api/clusters/:cluster/users', { cluster: 'secure' });
    expect(users.find(({ user }) => user === 'eve')?.credentials).toMatchObject([{ mechanism: 'SCRAM-SHA-512' }]);
    const remove = (confirm: string) =>
      askConsole(asker, 'POST /api/clusters/:cluster/users/delete', { ...credential, confirm });
    await expect(remove('ev')).rejects.toMatchObject({ code: 'CONSOLE_NOT_CONFIRMED' });
    await remove('eve');
    expect(await admin.describeScramUsers('all')).not.toContainEqual(expect.objectContaining({ user: 'eve' }));
  });

  it('sets, changes and takes away quotas', async () => {
    const quotas = (values: Record<string, number>, unset: string[] = []) =>
      askConsole(asker, 'POST /api/clusters/:cluster/quotas', {
        cluster: 'secure',
        entity: [{ type: 'user', name: null }],
        values,
        unset,
      });
    await quotas({ producer_byte_rate: 1000, consumer_byte_rate: 2000 });
    expect(await askConsole(asker, 'GET /api/clusters/:cluster/quotas', { cluster: 'secure' })).toEqual([
      {
        entity: [{ type: 'user', name: null }],
        values: { producer_byte_rate: 1000, consumer_byte_rate: 2000 },
      },
    ]);
    await quotas({ producer_byte_rate: 3000 }, ['consumer_byte_rate']);
    expect((await admin.describeClientQuotas())[0]?.values).toEqual({ producer_byte_rate: 3000 });
    await quotas({}, ['producer_byte_rate']);
    expect(await admin.describeClientQuotas()).toEqual([]);
  });

  it('shows a transaction that is open, and aborts it so that its producer cannot go on', async () => {
    const producer = new Producer({
      bootstrapServers: broker.bootstrapServers,
      sasl: { mechanism: 'PLAIN', username: 'root', password: 'root-pw' },
      transactionalId: 'copy-job',
    });
    try {
      const transaction = await producer.begin();
      await transaction.send({ topic: 'orders', value: 'not yet' });
      const list = async () =>
        (await askConsole(asker, 'GET /api/clusters/:cluster/transactions', { cluster: 'secure' })).transactions;
      await expect
        .poll(list, { timeout: 20_000 })
        .toMatchObject([{ id: 'copy-job', state: 'Ongoing', partitions: [{ topic: 'orders', partition: 0 }] }]);
      const cluster = 'secure';
      const abort = (confirm: string) =>
        askConsole(asker, 'POST /api/clusters/:cluster/transactions/abort', { cluster, id: 'copy-job', confirm });
      await expect(abort('copy')).rejects.toMatchObject({ code: 'CONSOLE_NOT_CONFIRMED' });
      await abort('copy-job');
      await expect(transaction.commit()).rejects.toThrow();
      await expect.poll(async () => (await list())[0]?.state, { timeout: 20_000 }).not.toBe('Ongoing');
    } finally {
      await producer.close().catch(() => undefined);
    }
  });

  it('shows the folders of each broker with what is in them', async () => {
    const dirs = await askConsole(asker, 'GET /api/clusters/:cluster/log-dirs', { cluster: 'secure' });
    expect(dirs).toHaveLength(1);
    expect(dirs[0]?.largest.map(({ topic }) => topic)).toContain('orders');
    expect(dirs[0]?.replicas).toBeGreaterThan(0);
  });
});

it('tells a cluster that asks nobody for rights from one that has no rules', async () => {
  const broker = await startBroker();
  const served = await createConsole({ clusters: { open: { bootstrapServers: broker.bootstrapServers } } });
  try {
    const port = await served.listen({ port: 0 });
    const list = await askConsole({ port }, 'GET /api/clusters/:cluster/acls', { cluster: 'open' });
    expect(list).toEqual({ hasAuthorizer: false, acls: [] });
  } finally {
    await served.close();
    await broker.close();
  }
});
