import { MemoryMetadataStore, MetadataError } from '@millrace/metadata';
import { ManualClock, silentLogger } from '@millrace/ports';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { makePersistentNodes, registerBroker } from './registration.ts';
import { TransactionLevel } from './transaction-level.ts';

let clock: ManualClock;
let store: MemoryMetadataStore;

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryMetadataStore({ clock });
  await makePersistentNodes(store.openSession());
});

/** Has a broker register in a session of its own; without a version, as Apache Kafka's does. */
async function join(id: number, transactionVersion?: number) {
  const session = store.openSession();
  const endpoint = { listener: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: `host-${id}`, port: 9092 };
  const broker = { id, rack: null, endpoints: [endpoint] };
  await registerBroker({ store: session, clock, broker, transactionVersion, waitMsMax: 0 });
  return session;
}

/** What one that follows has heard by now, both at the same moment. */
async function heard(...levels: readonly TransactionLevel[]): Promise<unknown[]> {
  await Promise.all(levels.map((each) => each.load()));
  return levels.map(({ level, epoch, mayTagValues }) => [level, epoch, mayTagValues]);
}

describe('the transaction.version of a cluster', () => {
  it('is the lowest of its brokers, and every broker has the same with the same epoch', async () => {
    await join(1, 2);
    const levels = [1, 2].map(
      () => new TransactionLevel({ store: store.openSession(), clock, logger: silentLogger, ownMax: 2 }),
    );
    expect(await heard(...levels)).toEqual([
      [2, 1, true],
      [2, 1, true],
    ]);
    await join(2, 1);
    expect(await heard(...levels)).toEqual([
      [1, 2, true],
      [1, 2, true],
    ]);
    const kafka = await join(3);
    expect(await heard(...levels)).toEqual([
      [0, 3, false],
      [0, 3, false],
    ]);
    await kafka.close();
    expect(await heard(...levels)).toEqual([
      [1, 4, true],
      [1, 4, true],
    ]);
  });

  it('is followed without being asked for, also in a new session', async () => {
    const session = store.openSession();
    const level = new TransactionLevel({ store: session, clock, logger: silentLogger, ownMax: 2 });
    await level.load();
    expect(level.level).toBe(0);
    await join(1, 2);
    await expect.poll(() => level.level).toBe(2);
    await session.expireSession();
    await session.renewSession();
    await level.load();
    const kafka = await join(2);
    await expect.poll(() => level.level).toBe(0);
    await kafka.close();
    await expect.poll(() => level.level).toBe(2);
  });

  it('is none where a registration cannot be read', async () => {
    await join(1, 2);
    await store.openSession().create('/brokers/ids/7', Buffer.from('no JSON'), { ephemeral: true });
    const level = new TransactionLevel({ store: store.openSession(), clock, logger: silentLogger, ownMax: 2 });
    await level.load();
    expect(level.level).toBe(0);
  });

  it('stays as it was where the store cannot be read, which is tried again until it can', async () => {
    await join(1, 2);
    const session = store.openSession();
    const level = new TransactionLevel({ store: session, clock, logger: silentLogger, ownMax: 2 });
    expect(await heard(level)).toEqual([[2, 1, true]]);
    const lost = new MetadataError('CONNECTION_LOSS', 'The connection was lost');
    const children = vi.spyOn(session, 'children').mockRejectedValueOnce(lost).mockRejectedValueOnce(lost);
    const kafka = await join(2);
    await expect.poll(() => children.mock.calls.length).toBe(1);
    expect([level.level, level.epoch]).toEqual([2, 1]);
    await clock.advanceAsync(999);
    expect(children).toHaveBeenCalledTimes(1);
    await clock.advanceAsync(1);
    expect(children).toHaveBeenCalledTimes(2);
    expect([level.level, level.epoch]).toEqual([2, 1]);
    await clock.advanceAsync(1000);
    expect([level.level, level.epoch]).toEqual([0, 2]);
    // It is followed again from then on.
    await kafka.close();
    await expect.poll(() => [level.level, level.epoch]).toEqual([2, 3]);
    expect(clock.pendingCount).toBe(0);
  });

  it('is not read again once nobody asks for it any more', async () => {
    await join(1, 2);
    const session = store.openSession();
    const level = new TransactionLevel({ store: session, clock, logger: silentLogger, ownMax: 2 });
    const lost = new MetadataError('CONNECTION_LOSS', 'The connection was lost');
    const children = vi.spyOn(session, 'children').mockRejectedValue(lost);
    await level.load();
    expect(level.level).toBe(0);
    level.stop();
    await level.load();
    expect(clock.pendingCount).toBe(0);
    expect(children).toHaveBeenCalledTimes(1);
  });
});
