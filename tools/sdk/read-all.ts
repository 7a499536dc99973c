import { KafkaClient } from '@millrace/client';
import { Fetch } from '@millrace/protocol';
import { type KafkaRecord, readRecords, splitBatches } from '@millrace/records';

/** The highest version that asks for topics by name. */
const FETCH_VERSION_BY_NAME = 12;

/** Every record of a partition, read with plain fetches: what is checked with it does not rest on the consumer. */
export async function readAll(bootstrapServers: string, topic: string, partition = 0): Promise<KafkaRecord[]> {
  await using client = new KafkaClient({ bootstrapServers });
  const records: KafkaRecord[] = [];
  for (let offset = 0; ; ) {
    const response = await client.sendToLeader(
      { topic, partition },
      Fetch,
      {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 50_000_000,
        topics: [{ topic, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 10_000_000 }] }],
        forgottenTopicsData: [],
      },
      { versionMax: FETCH_VERSION_BY_NAME, errorOf: (answer) => answer.responses[0]?.partitions[0]?.errorCode ?? 0 },
    );
    const answer = response.responses[0]!.partitions[0]!;
    const bytes = answer.records ?? Buffer.alloc(0);
    const before = offset;
    for (const at of splitBatches(bytes)) {
      for (const record of readRecords(bytes.subarray(at))) {
        if (record.offset < offset) continue;
        records.push(record);
        offset = record.offset + 1;
      }
    }
    if (offset === before) return records;
  }
}
