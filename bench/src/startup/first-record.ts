/** The first client of a broker that is still on its way up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { RawClient } from '../../../tools/faults/raw-client.ts';

const PAUSE_MS = 2;
const PATIENCE_MS = 60_000;

/**
 * Connects as soon as the port is open, has a topic made by itself, and produces one record with `acks=all`.
 * @returns When the record was acknowledged, in the time of `performance.now`.
 */
export async function firstAcknowledged(port: number): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await produceOne(port);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

async function produceOne(port: number): Promise<number> {
  const client = await RawClient.connect(port);
  try {
    const topics = [{ name: 'first' }];
    for (let isThere = false; !isThere; ) {
      const { topics: found } = await client.ask(Metadata, 9, { topics, allowAutoTopicCreation: true });
      isThere = found[0]?.errorCode === 0 && (found[0].partitions[0]?.leaderId ?? -1) >= 0;
      if (!isThere) await sleep(PAUSE_MS);
    }
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, 'the first record');
    const partitionData = [{ index: 0, records: builder.build() }];
    const topicData = [{ name: 'first', partitionData }];
    const answer = await client.ask(Produce, 9, { acks: -1, timeoutMs: PATIENCE_MS, topicData });
    if (answer.responses[0]?.partitionResponses[0]?.errorCode !== 0) throw new Error('the record was refused');
    return performance.now();
  } finally {
    client.close();
  }
}
