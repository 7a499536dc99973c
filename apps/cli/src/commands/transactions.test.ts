import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
let producer: Producer;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, ['transactions', ...args]);
const listed = async (...args: string[]): Promise<Record<string, unknown>[]> =>
  JSON.parse((await run(...args, '--json')).stdout);

beforeAll(async () => {
  broker = await startBroker({ topics: [{ topic: 'orders', partitions: 2 }] });
  producer = new Producer({ bootstrapServers: broker.bootstrapServers, transactionalId: 'shop' });
});
afterAll(async () => {
  await producer.close();
  await broker.close();
});

describe('millrace transactions', () => {
  it('show ids, what is open, and who writes', async () => {
    const open = await producer.begin();
    await open.send({ topic: 'orders', partition: 1, value: 'a' });
    const [found] = await listed('list', '--state', 'Ongoing');
    expect(found).toMatchObject({ transactionalId: 'shop', state: 'Ongoing' });
    const id = String(found!['producerId']);
    expect((await run('list')).stdout.split('\n').map((line) => line.split(/\s\s+/))).toEqual([
      ['TRANSACTIONAL ID', 'COORDINATOR', 'PRODUCER', 'STATE'],
      ['shop', expect.stringMatching(/^\d+$/), id, 'Ongoing'],
      [''],
    ]);
    expect((await run('list', '--quiet', '--producer-id', id)).stdout).toBe('shop\n');
    expect((await run('list', '--quiet', '--id-pattern', 's.*')).stdout).toBe('shop\n');
    expect((await run('list', '--id-pattern', 'hop')).stdout).toBe('No transactional ids\n');
    expect((await run('list', '--id-pattern', '(')).stderr).toContain('INVALID_REGULAR_EXPRESSION');
    expect((await run('list', '--quiet', '--state', 'ongoing')).stdout).toBe('shop\n');
    expect(await run('list', '--state', 'Ongoin')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(
        /^error: There is no state "Ongoin" of transactions: .*\nDid you mean "Ongoing"\?\n$/,
      ),
    });
    expect((await run('list', '--open-for', '1h')).stdout).toBe('No transactional ids\n');
    const { stdout } = await run('describe', 'shop');
    expect(stdout).toMatch(/^State +Ongoing$/m);
    expect(stdout).toMatch(/^Producer +\d+, epoch \d+$/m);
    expect(stdout).toMatch(/^Began .*Z, (?:\d+ ms|[\d.]+ s) ago$/m);
    expect(stdout).toMatch(/^Partitions +orders 1$/m);
    const producers = (await run('describe-producers', 'orders')).stdout.split('\n');
    expect(producers[1]).toMatch(new RegExp(`^ +1 +${id} .* 0$`));
    expect((await run('find-hanging')).stdout).toBe('No transaction hangs\n');
    await open.abort();
    const oneUnknown = await run('describe', 'nobody', 'shop', 'no\nbody', 'shop');
    expect(oneUnknown.stdout.match(/^Transactional id .*$/gm)).toEqual(['Transactional id  shop']);
    expect(oneUnknown.stderr).toMatch(/No transactional id is called "nobody", "no\\x0abody"\.\n.*transactions list/);
    expect(oneUnknown.exitCode).toBe(1);
    expect(JSON.parse((await run('describe', 'nobody', 'shop', '--json')).stdout)).toHaveLength(1);
    expect(await run('describe', 'nobody')).toMatchObject({ exitCode: 1, stdout: '' });
  });

  it('end one in a partition, by where it begins or by its producer', async () => {
    const place = ['orders', '--partition', '0'];
    const open = await producer.begin();
    await open.send({ topic: 'orders', partition: 0, value: 'a' });
    const nothing = await run('abort', ...place, '--start-offset', '7');
    expect(nothing.stderr).toContain('No transaction is open in orders 0 since offset 7');
    const aborted = await run('abort', ...place, '--start-offset', '0');
    expect(aborted.stdout).toMatch(/^The transaction of producer \d+ \(epoch \d+\) in orders 0 is aborted\n$/);
    expect((await run('describe-producers', 'orders', '-p', '0')).stdout).toMatch(/Z +-\n$/);
    await open.abort();
    expect((await run('abort', ...place)).exitCode).toBe(2);
    expect((await run('abort', ...place, '--producer-id', '1')).exitCode).toBe(2);
    const [found] = await listed('describe', 'shop');
    const { producerId, producerEpoch } = found!;
    const by = (epoch: unknown): string[] => ['--producer-id', `${producerId}`, '--producer-epoch', `${epoch}`];
    // Nor is a marker written that would shut out the producer.
    expect(await run('abort', ...place, ...by(producerEpoch))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`No transaction is open in orders 0 of producer ${producerId}`),
    });
    const next = await producer.begin();
    await next.send({ topic: 'orders', partition: 0, value: 'b' });
    expect((await run('abort', ...place, ...by(Number(producerEpoch) + 7))).exitCode).toBe(1);
    expect((await run('abort', ...place, ...by(producerEpoch), '--coordinator-epoch', '0')).exitCode).toBe(0);
    expect((await run('describe-producers', 'orders', '-p', '0')).stdout).toMatch(/Z +-\n$/);
    await next.abort();
    expect((await run('find-hanging', '-p', '0')).exitCode).toBe(2);
  });

  it('hold all lines of a file or none: `produce --transactional-id`', async () => {
    const produce = ['produce', 'orders', '-p', '1', '-K', ':', '--transactional-id', 'lines'];
    const stopped = await millrace(broker.bootstrapServers, produce, { stdin: 'k:lost\nno separator\n' });
    expect(stopped.exitCode).toBe(1);
    const written = await millrace(broker.bootstrapServers, produce, { stdin: 'k:one\nk:two\n' });
    expect(written.stderr).toMatch(/^2 records .* into orders$/m);
    const consume = ['consume', 'orders', '-p', '1', '-B', '-e', '--isolation', 'read_committed'];
    expect((await millrace(broker.bootstrapServers, consume)).stdout).toBe('one\ntwo\n');
  });

  it('are shown in what `log dump` prints of their state', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-transactions-'));
    try {
      const own = await startBroker({
        storage: { folder },
        topics: ['orders'],
        config: { 'transaction.state.log.num.partitions': 1 },
      });
      const writer = new Producer({ bootstrapServers: own.bootstrapServers, transactionalId: 'shop' });
      await writer.transaction((tx) => void tx.send({ topic: 'orders', value: 'a' }));
      await writer.close();
      const state = async (): Promise<string> =>
        (await millrace(own.bootstrapServers, ['transactions', 'describe', 'shop'])).stdout;
      await expect.poll(state).toMatch(/CompleteCommit/);
      await own.close();
      const [file] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
        /__transaction_state-0.0+\.log$/.test(name),
      );
      const dumped = await millrace(undefined, ['log', 'dump', join(folder, file!), '--records']);
      expect(dumped.stdout).toMatch(/transactional id "shop": Empty, producer \d+ epoch 0, timeout 1 min$/m);
      expect(dumped.stdout).toMatch(/"shop": Ongoing, producer \d+ epoch 0, timeout 1 min, begun .*Z, in orders 0$/m);
      expect(dumped.stdout).toMatch(
        /"shop": PrepareCommit, producer \d+ epoch 1, .* in orders 0, transaction\.version 2$/m,
      );
      expect(dumped.stdout).toMatch(/"shop": CompleteCommit, producer \d+ epoch 1, timeout 1 min, begun [^,]*Z$/m);
      const lines = (
        await millrace(undefined, ['--json', 'log', 'dump', join(folder, file!), '--records'])
      ).stdout.split('\n');
      const records: { transaction: Record<string, unknown> }[] = lines
        .filter((line) => line !== '')
        .flatMap((line) => JSON.parse(line).records ?? []);
      expect(records[0]!.transaction).toMatchObject({ transactionalId: 'shop', state: 'Empty' });
      const versions = records.map(({ transaction }) => [
        transaction['state'],
        transaction['clientTransactionVersion'],
      ]);
      expect(versions).toEqual([
        ['Empty', undefined],
        ['Ongoing', undefined],
        ['PrepareCommit', 2],
        ['CompleteCommit', undefined],
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are aborted past their producer, and none of an id that nobody has: `force-terminate`', async () => {
    await using till = new Producer({ bootstrapServers: broker.bootstrapServers, transactionalId: 'till' });
    const open = await till.begin();
    await open.send({ topic: 'orders', partition: 1, value: 'left open' });
    const outcome =
      /^The transaction of till is aborted; its producers below epoch \d+ of producer \d+ are refused now\n$/;
    expect((await run('force-terminate', 'till')).stdout).toMatch(outcome);
    expect((await run('list', '--quiet', '--state', 'Ongoing')).stdout).toBe('');
    await expect(open.commit()).rejects.toMatchObject({ code: 'PRODUCER_TRANSACTIONS_OVER' });
    const again = await millrace(broker.bootstrapServers, [
      ...['kafka-transactions.sh', 'forceTerminateTransaction', '--transactionalId', 'till'],
    ]);
    expect(again.stdout).toMatch(/^No transaction of till was open; its producers below epoch \d+/);
    expect(await run('force-terminate', 'nobody')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('No transactional id is called "nobody", so nothing was terminated'),
    });
    expect((await run('list', '--quiet')).stdout).not.toContain('nobody');
  });

  it('refuse producers from now on, but none of an id that nobody has', async () => {
    const unknown = await run('fence', 'shop', 'nobody');
    expect(unknown).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringContaining('No transactional id is called "nobody", so nothing was fenced'),
    });
    expect((await run('list', '--quiet')).stdout).not.toContain('nobody');
    expect((await run('fence', 'shop')).stdout).toMatch(
      /^Producers of shop below epoch \d+ of producer \d+ are refused/,
    );
    await expect(producer.transaction((tx) => void tx.send({ topic: 'orders', value: 'x' }))).rejects.toThrow();
  });
});
