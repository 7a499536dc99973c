import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaClient } from '@millrace/client';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { may } from '../needs/index.ts';
import { whyNoLibrdkafka } from './copiers/foreign-copiers.ts';
import { ForeignPaced, startLibrdkafka } from './foreign-paced.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import { fetchAll, type LoadTarget } from './load.ts';
import { KafkaJsPaced, type PacedProducer, SdkPaced } from './paced-producers.ts';
import { sentAgain } from './retries.ts';

const TOPIC = 'paced';
const PARTITIONS = 3;
const REFUSED = 2;
const WAIT_MS_MAX = 20_000;

let broker: TestBroker;
beforeEach(async () => {
  broker = await startBroker({ topics: [{ topic: TOPIC, partitions: PARTITIONS }] });
});
afterEach(() => broker.close());

const target = (): LoadTarget => ({
  bootstrapServers: broker.bootstrapServers,
  topic: TOPIC,
  partitions: PARTITIONS,
  ledger: new Ledger(),
});

const ALL = Array.from({ length: PARTITIONS }, (_, index) => index);

async function acknowledgedEverywhere(producer: PacedProducer): Promise<void> {
  const begun = performance.now();
  while (!producer.gaps!.haveAcknowledgedSince(begun, ALL)) {
    if (performance.now() > begun + WAIT_MS_MAX) throw new Error(`${producer.name} has no acknowledgements`);
    await sleep(5);
  }
}

/** Runs a producer for a moment in which some of its requests are refused, and reads what it has sent. */
async function refusedAtFirst(load: LoadTarget, producer: PacedProducer): Promise<Record<string, number>> {
  await acknowledgedEverywhere(producer);
  broker.failNext('Produce', 'NOT_LEADER_OR_FOLLOWER', { times: REFUSED });
  await sleep(100);
  await acknowledgedEverywhere(producer);
  const counts = await producer.finish();
  await using client = new KafkaClient({ bootstrapServers: broker.bootstrapServers });
  for (const partition of ALL) {
    const check = new PartitionCheck(load.ledger, partition);
    for await (const { offset, value } of fetchAll(client, TOPIC, partition)) check.record(offset, value);
    check.endOf(producer.id, counts[partition]!);
    expect(load.ledger.acknowledgedCount(producer.id, partition)).toBe(counts[partition]);
    expect(counts[partition]).toBeGreaterThan(0);
  }
  expect(load.ledger.violations).toEqual([]);
  expect(producer.failedSends).toBe(0);
  return { ...producer.retries };
}

describe('a paced producer tells of every acknowledgement and counts what it has sent again', () => {
  it('ours', async () => {
    const load = target();
    const { batches } = await refusedAtFirst(load, new SdkPaced(load));
    expect(batches).toBeGreaterThanOrEqual(REFUSED);
  });

  it('kafkajs, with its default settings', async () => {
    const load = target();
    const { sends } = await refusedAtFirst(load, await KafkaJsPaced.start(load));
    expect(sends).toBeGreaterThanOrEqual(REFUSED);
  });

  it.skipIf(!may(whyNoLibrdkafka(), import.meta.url))('librdkafka, to all partitions', async () => {
    const load = target();
    const producer = await startLibrdkafka(load);
    expect(producer).toBeInstanceOf(ForeignPaced);
    const { requests, messages } = await refusedAtFirst(load, producer!);
    expect(requests! + messages!).toBeGreaterThanOrEqual(REFUSED);
  });
});

describe('a paced producer that is a process', () => {
  const client = (script: string) => ({
    name: 'other',
    id: 7,
    about: 'a script',
    command: [process.execPath, '-e', `${script}; process.stdin.on('data', () => process.exit(code))`] as const,
  });

  it('is heard line by line, and says in the end how many records there must be', async () => {
    const load = target();
    const says = "['a 1 0 40', 'f 2 0 NOT_ENOUGH_REPLICAS', 's 1 1', 'r records 3'].map((line) => console.log(line))";
    const producer = await ForeignPaced.start(load, client(`const code = 0; ${says}`));
    expect(await producer.finish()).toEqual([0, 1, 0]);
    expect(load.ledger.offsetOf({ producer: 7, partition: 1, sequence: 0 })).toBe(40);
    expect(producer.gaps.longestOf([1])).toBeLessThan(producer.gaps.longestOf([2]));
    expect(producer.failedSends).toBe(1);
    expect(load.ledger.violations).toEqual(['a send of other failed: f 2 0 NOT_ENOUGH_REPLICAS']);
    expect(sentAgain({ retries: { other: producer.retries, kcat: undefined } })).toBe('other 3 records, kcat not told');
  });

  it('is a violation where it ends with a fault', async () => {
    const load = target();
    const producer = await ForeignPaced.start(load, client(`const code = 3; console.log('a 0 0 0')`));
    expect(await producer.finish()).toEqual([]);
    expect(load.ledger.violations).toEqual(['the producer of other ended with 3: ']);
  });
});
