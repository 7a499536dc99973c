/**
 * Requests made by hand to a cluster of Apache Kafka 3.9.1 in ZooKeeper mode (stale epochs, unknown things), with what it answered
 * (fixtures/probes.jsonl.br): this broker, in the same state, answers the same.
 */
import { AllocateProducerIds, decodeResponseFrame, Produce, UpdateFeatures } from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../store/znodes.ts';
import { batchOf } from '../testing/test-broker.ts';
import { apiOf, capturedProbes, PROBED_TOPIC, type Probe, Translation } from '../testing/test-captured-probes.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

const { name: TOPIC, id: TOPIC_ID } = PROBED_TOPIC;
const REPLICAS = [2, 3, 1];
/** The leader epochs of the partition that was asked about, with how many records were written in each. */
const EPOCHS: readonly (readonly [number, number])[] = [
  [0, 344],
  [1, 42],
  [3, 17],
  [4, 17],
  [11, 2],
  [12, 0],
];
const PARTITION_EPOCH = 23;
/** APIs that brokers use among themselves and that are served here. */
const ASKED = new Set([1, 2, 4, 5, 6, 7, 23, 24, 27, 56, 57, 67]);

let cluster: TestReplicas;
let translation: Translation;

beforeAll(async () => {
  cluster = await TestReplicas.start(0, { 'auto.leader.rebalance.enable': 'false' });
  // The first to come is the controller.
  for (const id of [2, 3, 1]) await cluster.start(id);
  await makeTopic();
  for (const [epoch, records] of EPOCHS) {
    if (epoch > 0) await lead(epoch);
    if (records > 0) await produce(records);
  }
  await cluster.pass(600);
  translation = await Translation.of(cluster);
  // The transactional id that was asked about lies at broker 1.
  await cluster.createTopic('__transaction_state', [[1, 2, 3]]);
  // The cluster that was asked had handed out a block before.
  const block = { brokerId: 2, brokerEpoch: translation.brokerEpoch(582) };
  await cluster.ask(2, AllocateProducerIds, 0, block);
});

afterAll(() => cluster.stopAll());

async function makeTopic(): Promise<void> {
  const assignment = {
    version: 3,
    topic_id: TOPIC_ID,
    partitions: { 0: REPLICAS },
    adding_replicas: {},
    removing_replicas: {},
  };
  await cluster.store.create(paths.topicConfig(TOPIC), Buffer.from('{"version":1,"config":{}}'));
  await cluster.store.create(paths.topic(TOPIC), Buffer.from(JSON.stringify(assignment)));
  await cluster.settle();
}

/** Has broker 2 lead in a later epoch, by a state that the next controller finds. */
async function lead(epoch: number): Promise<void> {
  const state = { controller_epoch: 1, leader: 2, version: 1, leader_epoch: epoch, isr: REPLICAS };
  const path = paths.partitionState(TOPIC, 0);
  const isLast = epoch === EPOCHS.at(-1)?.[0];
  do {
    await cluster.store.set(path, Buffer.from(JSON.stringify(state)), 'any');
  } while (isLast && (await cluster.store.exists(path))!.version < PARTITION_EPOCH);
  do {
    await cluster.store.delete(paths.controller, 'any');
    await cluster.pass(20);
  } while (!cluster.broker(2).services.controller.isActive);
  await cluster.until('the epoch', () => cluster.partition(2, TOPIC).leaderEpoch === epoch);
}

async function produce(records: number): Promise<void> {
  const values = Array.from({ length: records }, (_, index) => `v${index}`);
  const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: batchOf(values) }] }];
  const asked = cluster.ask(2, Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
  await cluster.pass(100);
  expect((await asked).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

/** What does not matter to whoever asks: how nothing is said. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.length === 0 ? null : value.toString('hex');
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  // Where clients are told to go instead is of another listener here.
  const shown = Object.entries(value).filter(([name]) => name !== 'nodeEndpoints');
  return Object.fromEntries(shown.map(([name, each]) => [name, plain(each)]));
}

describe('what brokers ask one another is answered as Apache Kafka answers it', () => {
  // To a leader that does not know of the state that its controller found, ours answers the same, and has it lead in the next epoch then.
  const raises = ([what]: Probe): number => Number(what === 'AlterPartition, new ISR, older partition epoch');
  const asked = capturedProbes()
    .filter(([, , key]) => ASKED.has(key))
    .toSorted((one, other) => raises(one) - raises(other));

  it('in as many cases as were tried', () => {
    expect(asked.length).toBe(111);
  });

  it.each(asked)('%s (to %i)', async (...probe) => {
    const [, to, , version, request, response] = probe;
    const api = apiOf(probe);
    const body = translation.request({ api, request });
    const expected = decodeResponseFrame(api, version, Buffer.from(response, 'hex')).body;
    const answer = cluster.ask(to, api as never, version, body as never);
    await cluster.settle();
    expect(plain(await answer)).toEqual(plain(expected));
  });
});

it('UpdateFeatures is for the controller', async () => {
  const asked = cluster.ask(1, UpdateFeatures, 1, { featureUpdates: [{ feature: 'f', maxVersionLevel: 1 }] });
  const errorMessage = 'This is not the correct controller for this cluster.';
  expect(await asked).toMatchObject({ errorCode: 41, errorMessage, results: [] });
});
