import { ManualClock, silentLogger } from '@millrace/ports';
import { type AddPartitionsToTxnRequestInput, ErrorCode } from '@millrace/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerSendOptions } from '../cluster/peers.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { type Counter, type Metrics, noMetrics } from '../shared/metrics.ts';
import type { BrokerLanes } from './broker-lanes.ts';
import type { PartitionsByTopic, TransactionAsker } from './transaction.ts';
import type { TransactionCoordinator } from './transaction-coordinator.ts';
import { Verifier } from './verifier.ts';

const HERE = 1;
const asker = (producerEpoch: number, transactionalId = 'id'): TransactionAsker => {
  return { transactionalId, producerId: 7, producerEpoch };
};

/** What the coordinator here was asked to add, in how many writes. */
let added: string[];
/** What another broker was asked, in how many requests. */
let asked: string[];
let coordinatorId: number;
/** How long the other broker was waited for. */
let waitedMs: number;
/** What asking another broker fails with at once. */
let fault: Error | undefined;
/** How many partitions count as failures. */
let failures: number;
let verifier: Verifier;

const named = (id: string, epoch: number, partitions: PartitionsByTopic): string =>
  `${id}/${epoch}: ${[...partitions].flatMap(([topic, all]) => [...all].map((each) => `${topic}-${each}`)).join(' ')}`;

beforeEach(() => {
  added = [];
  asked = [];
  fault = undefined;
  failures = 0;
  const counter: Counter = {
    add: (count) => {
      failures += count;
    },
  };
  const metrics: Metrics = { ...noMetrics, counter: () => counter };
  const clock = new ManualClock();
  const guard = new Guard(silentLogger);
  const cluster = { partition: () => ({ leader: coordinatorId }) } as unknown as ClusterImage;
  const coordinator = {
    async addPartitions({ transactionalId, producerEpoch }: TransactionAsker, partitions: PartitionsByTopic) {
      added.push(named(transactionalId, producerEpoch, partitions));
      return producerEpoch === 0 ? ErrorCode.NONE : ErrorCode.PRODUCER_FENCED;
    },
  } as unknown as TransactionCoordinator;
  const send = async (
    _api: unknown,
    _version: unknown,
    body: (version: number) => AddPartitionsToTxnRequestInput,
    { timeoutMs }: PeerSendOptions,
  ) => {
    waitedMs = timeoutMs;
    const { transactions = [] } = body(5);
    asked.push(
      transactions
        .map(({ transactionalId = '', producerEpoch = -1, topics = [] }) =>
          named(
            transactionalId,
            producerEpoch,
            new Map(topics.map(({ name = '', partitions = [] }) => [name, new Set(partitions)])),
          ),
        )
        .join(', '),
    );
    await new Promise((resolve) => setImmediate(resolve));
    return {
      errorCode: 0,
      resultsByTransaction: transactions.map(({ transactionalId, topics = [] }) => ({
        transactionalId,
        topicResults: topics.map(({ name, partitions = [] }) => ({
          name,
          resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: 0 })),
        })),
      })),
    };
  };
  verifier = new Verifier({
    brokerId: HERE,
    cluster,
    lanes: {
      to: () => {
        if (fault !== undefined) throw fault;
        return { send };
      },
    } as unknown as BrokerLanes,
    coordinator,
    partitionCount: () => 1,
    guard,
    deadlines: new Deadlines(clock, guard),
    timeoutMs: 30_000,
    clock,
    metrics,
  });
});

describe('partitions of one request', () => {
  it('are added in one write where this broker coordinates', async () => {
    coordinatorId = HERE;
    const all = [0, 1, 2].map((partition) => verifier.ask('add', asker(0), 'a', partition));
    all.push(verifier.ask('add', asker(0), 'b', 0), verifier.ask('add', asker(0, 'other'), 'a', 0));
    expect(await Promise.all(all)).toEqual([0, 0, 0, 0, 0]);
    expect(added).toEqual(['id/0: a-0 a-1 a-2 b-0', 'other/0: a-0']);
    expect(await verifier.ask('add', asker(0), 'a', 3)).toBe(0);
    expect(added.at(-1)).toBe('id/0: a-3');
  });

  it('are asked about at once where another does; what comes meanwhile is in the next question', async () => {
    coordinatorId = HERE + 1;
    const all = [0, 1, 2].map((partition) => verifier.ask('add', asker(0), 'a', partition));
    all.push(verifier.ask('add', asker(0, 'other'), 'b', 0));
    await Promise.resolve();
    all.push(verifier.ask('add', asker(0), 'b', 1), verifier.ask('add', asker(0), 'b', 2));
    expect(await Promise.all(all)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(asked).toEqual(['id/0: a-0 a-1 a-2, other/0: b-0', 'id/0: b-1 b-2']);
    // A coordinator that is silent must not hold up producers for all of `request.timeout.ms`.
    expect(waitedMs).toBe(5000);
  });

  it('are answered whatever goes wrong before the other is asked, and so are those that come behind', async () => {
    coordinatorId = HERE + 1;
    fault = new Error('nobody thought of this');
    expect(await verifier.ask('add', asker(0), 'a', 0)).toBe(ErrorCode.NETWORK_EXCEPTION);
    fault = undefined;
    expect(await verifier.ask('add', asker(0), 'a', 1)).toBe(ErrorCode.NONE);
  });

  it('of producers that share an id are told what is true of their own epoch', async () => {
    coordinatorId = HERE;
    const all = [asker(0), asker(1), asker(0)].map((who, partition) => verifier.ask('add', who, 'a', partition));
    expect(await Promise.all(all)).toEqual([0, ErrorCode.PRODUCER_FENCED, 0]);
    expect(added).toEqual(['id/1: a-1', 'id/0: a-0 a-2']);
  });
});

describe('the failures that are counted', () => {
  it('are all that coordinators have answered, and that could not be asked', async () => {
    coordinatorId = HERE;
    expect(await verifier.ask('add', asker(0), 'a', 0)).toBe(ErrorCode.NONE);
    expect(failures).toBe(0);
    expect(await verifier.ask('add', asker(1), 'a', 0)).toBe(ErrorCode.PRODUCER_FENCED);
    expect(failures).toBe(1);
    coordinatorId = HERE + 1;
    fault = new Error('no connection');
    expect(await verifier.ask('verify', asker(0), 'a', 0)).toBe(ErrorCode.NETWORK_EXCEPTION);
    expect(failures).toBe(2);
  });

  it('are not those where nobody coordinates: there is nobody to ask', async () => {
    coordinatorId = -1;
    expect(await verifier.ask('verify', asker(0), 'a', 0)).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(failures).toBe(0);
  });
});
