import { MemoryMetadataStore, type MetadataStore } from '@millrace/metadata';
import { ManualClock, seededRandom } from '@millrace/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { adoptLogs } from './adopt-logs.ts';
import type { FoundLog } from './found-logs.ts';
import { OwnEpochs } from './own-epochs.ts';
import { decodeIsrChange, decodePartitionState, decodeProducerIdBlock, encodePartitionState, paths } from './znodes.ts';

const ID = 'hjJbGqW-RXmPYLiRzAvnkA';
const log = (partition: number, leaderEpoch: number, topicId: string | undefined = ID): FoundLog => ({
  topic: 't',
  partition,
  leaderEpoch,
  topicId,
});

let store: MemoryMetadataStore;

/** A topic of two partitions, led in epoch 5. */
beforeEach(async () => {
  store = new MemoryMetadataStore();
  const logs = [log(0, 0), log(1, 0)];
  await adoptLogs(store, { logs, brokerId: 7, restorations: 0, random: seededRandom(1), nowMs: 1000 });
  for (const partition of [0, 1]) await setEpoch(partition, 5);
});

async function stateOf(partition: number) {
  const path = paths.partitionState('t', partition);
  return decodePartitionState(path, (await store.get(path)).data);
}

async function setEpoch(partition: number, leaderEpoch: number): Promise<void> {
  const data = encodePartitionState({ ...(await stateOf(partition)), leaderEpoch });
  await store.set(paths.partitionState('t', partition), data, 'any');
}

async function notes(): Promise<unknown[]> {
  const names = await store.children(paths.isrChanges);
  return Promise.all(
    names.map(paths.isrChange).map(async (path) => decodeIsrChange(path, (await store.get(path)).data)),
  );
}

const clock = new ManualClock();

function epochsOf(
  logs: readonly FoundLog[],
  isTold: (log: FoundLog) => boolean,
  from: MetadataStore = store,
): OwnEpochs {
  return new OwnEpochs({ store: from, clock, logger: silentLogger, brokerId: 7, logs: () => logs, isTold });
}

const raise = (...logs: FoundLog[]): Promise<void> => epochsOf(logs, () => false).raise();

/** The store, where it does with reads of partitions' states what it is told to. */
function storeThat(reads: (path: string) => Promise<void>): MetadataStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name !== 'get') return typeof member === 'function' ? member.bind(target) : member;
      return (path: string) => reads(path).then(() => target.get(path));
    },
  });
}

describe('leader epochs that are behind those of a broker’s logs', () => {
  it('leap above them, whoever leads, and the controller is told which', async () => {
    await raise(log(0, 9), log(1, 5));
    expect(await stateOf(0)).toMatchObject({ leader: 7, isr: [7], leaderEpoch: 1009 });
    expect(await stateOf(1)).toMatchObject({ leaderEpoch: 5 });
    expect(await notes()).toEqual([[{ topic: 't', partition: 0 }]]);
    await raise(log(0, 9), log(1, 5));
    expect(await notes()).toHaveLength(1);
  });

  it('have producer ids leap, too, which would be given out twice, and only then', async () => {
    const lastId = async (): Promise<number | undefined> =>
      decodeProducerIdBlock((await store.get(paths.producerIdBlock)).data)?.last;
    await raise(log(0, 5), log(1, 5));
    expect(await lastId()).toBe(1000);
    await raise(log(0, 9));
    expect(await lastId()).toBe(clock.now());
  });

  it('stay where the log is of another topic of that name, or its epoch is one that nobody can have come to', async () => {
    await raise(log(0, 9, 'AAAAAAAAAAAAAAAAAAAAAA'), log(1, 2 ** 30 + 5));
    expect([await stateOf(0), await stateOf(1)]).toMatchObject([{ leaderEpoch: 5 }, { leaderEpoch: 5 }]);
    expect(await notes()).toEqual([]);
  });

  it('stay where there is no such partition, or nobody can read its state', async () => {
    await store.set(paths.partitionState('t', 1), Buffer.from('{'), 'any');
    await raise(log(1, 9), log(2, 9), { ...log(0, 9), topic: 'gone' }, log(0, 9));
    expect(await stateOf(0)).toMatchObject({ leaderEpoch: 1009 });
    expect(await notes()).toEqual([[{ topic: 't', partition: 0 }]]);
  });

  it('are raised once where somebody else does so at the same time', async () => {
    await Promise.all([raise(log(0, 9), log(1, 7)), raise(log(0, 9), log(1, 8))]);
    expect(await stateOf(0)).toMatchObject({ leaderEpoch: 1009 });
    expect((await stateOf(1)).leaderEpoch).toBeGreaterThan(1000);
  });
});

describe('leader epochs that a controller has told this process of', () => {
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const isTold = ({ partition }: FoundLog): boolean => partition === 0;

  it('are raised beside the registration, which waits for the others alone', async () => {
    const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = storeThat(
      async (path) => answers.find((_, index) => path === paths.partitionState('t', index))?.promise,
    );
    let isRaised = false;
    const raising = epochsOf([log(0, 9), log(1, 9)], isTold, slow).raise();
    void raising.then(() => {
      isRaised = true;
    });
    await settled();
    expect(isRaised).toBe(false);
    answers[1]!.resolve();
    await raising;
    expect([await stateOf(0), await stateOf(1)]).toMatchObject([{ leaderEpoch: 5 }, { leaderEpoch: 1009 }]);
    answers[0]!.resolve();
    await settled();
    expect(await stateOf(0)).toMatchObject({ leaderEpoch: 1009 });
  });

  it('are tried again when the store could not be used, until the broker registers anew or stops', async () => {
    let failures = 0;
    const failing = storeThat(async () => {
      failures += 1;
      throw new Error('out of reach');
    });
    const epochs = epochsOf([log(0, 9)], isTold, failing);
    await Promise.all([epochs.raise(), epochs.raise()]);
    await settled();
    expect(failures).toBe(2);
    await clock.advanceAsync(1000);
    // The first of them is not, for the second looks at the same.
    expect(failures).toBe(3);
    epochs.stop();
    await clock.advanceAsync(10_000);
    expect(failures).toBe(3);
  });
});
