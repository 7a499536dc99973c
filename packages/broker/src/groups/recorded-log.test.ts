/**
 * Apache Kafka 3.9.1's own `__consumer_offsets`, recorded with kafkajs, kcat and kafka-consumer-groups.sh: a group whose
 * members left (`left`), a deleted one (`gone`), one with a live static member (`workers`), one that an administrator
 * reset (`reset`), and commits in transactions that committed, aborted and stayed open (`transactional`).
 */
import { readFileSync } from 'node:fs';
import { batchIsControl, batchSizeBytes, readRecords, splitBatches } from '@millrace/records';
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { Group } from './group.ts';
import { GroupLoader } from './group-loader.ts';
import { GroupState } from './group-state.ts';
import {
  decodeGroup,
  decodeKey,
  decodeOffset,
  groupRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
} from './state-records.ts';

const recorded = readFileSync(new URL('./fixtures/kafka-3.9.1-consumer-offsets.log', import.meta.url));
const now = (): number => 1_795_233_000_000;

describe("Kafka's own __consumer_offsets", () => {
  let groups: Map<string, Group>;

  beforeEach(() => {
    const loader = new GroupLoader(now, silentLogger);
    loader.addBatches(Buffer.from(recorded));
    groups = loader.finish();
  });

  it('gives back the groups that kafka-consumer-groups.sh listed', () => {
    expect([...groups.keys()].toSorted()).toEqual(['left', 'reset', 'transactional', 'workers']);
    const offsets = (groupId: string) =>
      [0, 1].map((partition) => groups.get(groupId)?.offsets.get('orders', partition)?.offset);
    expect(offsets('left')).toEqual([3, 3]);
    expect(offsets('reset')).toEqual([2, 2]);
    expect(offsets('workers')).toEqual([3, 3]);
    expect(offsets('transactional')).toEqual([1, undefined]);
  });

  it('gives back members and states', () => {
    const workers = groups.get('workers')!;
    expect(workers.state).toBe(GroupState.STABLE);
    expect([...workers.members]).toMatchObject([
      { groupInstanceId: 'one', clientId: 'rdkafka', clientHost: '/127.0.0.1', sessionTimeoutMs: 45_000 },
    ]);
    expect(workers.subscribedTopics).toEqual(new Set(['orders']));
    const left = groups.get('left')!;
    expect(left).toMatchObject({ state: GroupState.EMPTY, generationId: 2, protocolType: 'consumer' });
    expect(left.stateTimestampMs).toBe(1_795_232_764_344);
    expect(groups.get('reset')).toMatchObject({ state: GroupState.EMPTY, generationId: 0, protocolType: null });
  });

  it('leaves a transaction open until its end is read', () => {
    const { offsets } = groups.get('transactional')!;
    expect(offsets.isUnstable('orders', 0)).toBe(false);
    expect(offsets.isUnstable('orders', 1)).toBe(true);
    offsets.endTransaction(5, true);
    expect(offsets.get('orders', 1)?.offset).toBe(3);
  });

  it('is what this broker would have written, byte for byte', () => {
    let compared = 0;
    for (const at of splitBatches(recorded)) {
      if (batchIsControl(recorded, at)) continue;
      for (const { key, value } of readRecords(recorded.subarray(at, at + batchSizeBytes(recorded, at)))) {
        expect(rewritten(key!, value)).toEqual({ key, value });
        compared += 1;
      }
    }
    expect(compared).toBe(19);
  });
});

function rewritten(key: Buffer, value: Buffer | null) {
  const decoded = decodeKey(key)!;
  if (decoded.kind === 'offset') {
    return value === null
      ? offsetTombstone(decoded.groupId, decoded)
      : offsetRecord(decoded.groupId, { ...decoded, ...decodeOffset(value) });
  }
  if (value === null) return groupTombstone(decoded.groupId);
  const group = new Group(decoded.groupId, now).restore(decodeGroup(value));
  return groupRecord(group, new Map(Array.from(group.members, (member) => [member.memberId, member.assignment])));
}
