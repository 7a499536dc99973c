import {
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchProducerId,
  batchSizeBytes,
  ControlRecordType,
  RecordCursor,
  readEndTxnMarker,
  splitBatches,
} from '@millrace/records';
import type { Logger } from '../shared/logger.ts';
import { Group } from './group.ts';
import { GroupMemory } from './group-memory.ts';
import { GroupOffsets } from './group-offsets.ts';
import { Groups } from './groups.ts';
import { NO_BYTES } from './results.ts';
import { decodeGroup, decodeKey, decodeOffset, type StateKey } from './state-records.ts';

/**
 * Rebuilds the groups of one partition of `__consumer_offsets` from its batches, in order. What it holds is bounded by
 * the state itself: of records that are overwritten later nothing stays.
 */
export class GroupLoader {
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #memory: GroupMemory;
  /** The last group record of each group; decoded at the end, since all but the last are in vain. */
  readonly #groupValues = new Map<string, Buffer>();
  readonly #offsets = new Map<string, GroupOffsets>();
  /** What keys that were seen speak of, by their bytes: a log is for the most part the same keys over and over. */
  readonly #keys = new Map<string, StateKey>();
  /** Which groups have offsets of a producer's open transaction. */
  readonly #open = new Map<number, Set<GroupOffsets>>();
  #records = 0;

  constructor(now: () => number, logger: Logger, memory: GroupMemory = new GroupMemory()) {
    this.#now = now;
    this.#memory = memory;
    this.#logger = logger;
  }

  /** How many records were read. */
  get recordCount(): number {
    return this.#records;
  }

  /** Takes in whole batches; nothing of the buffer is kept. */
  addBatches(batches: Buffer): void {
    for (const at of splitBatches(batches)) {
      try {
        if (batchIsControl(batches, at)) this.#endTransaction(batches.subarray(at, at + batchSizeBytes(batches, at)));
        else this.#addBatch(batches, at);
      } catch (error) {
        const recordOffset = batchBaseOffset(batches, at);
        this.#logger.error(
          { err: error, recordOffset },
          'Skipping the rest of a batch of __consumer_offsets that cannot be read',
        );
      }
    }
  }

  /** The groups as they were left. */
  finish(): Groups {
    const groups = new Groups();
    for (const [groupId, value] of this.#groupValues) {
      const group = this.#restore(groupId, value);
      if (group !== undefined) groups.set(groupId, group);
    }
    for (const [groupId, offsets] of this.#offsets) {
      if (offsets.isEmpty) continue;
      let group = groups.get(groupId);
      if (group === undefined) {
        group = new Group(groupId, this.#now, this.#memory);
        groups.set(groupId, group);
      }
      group.offsets = offsets;
      for (const producerId of offsets.transactionalProducers) groups.noteTransactional(producerId, group);
    }
    return groups;
  }

  #addBatch(batches: Buffer, at: number): void {
    const producerId = batchIsTransactional(batches, at) ? batchProducerId(batches, at) : undefined;
    const recordOffset = batchBaseOffset(batches, at);
    const record = new RecordCursor(batches, undefined, at);
    while (record.next()) {
      this.#records += 1;
      if (record.keyBytes < 0) continue;
      try {
        this.#addRecord(record, producerId, recordOffset);
      } catch (error) {
        // One unreadable record must not take all groups of the partition with it.
        this.#logger.error({ err: error, recordOffset }, 'Skipping a record of __consumer_offsets that cannot be read');
      }
    }
  }

  #addRecord(record: RecordCursor, producerId: number | undefined, recordOffset: number): void {
    const { data, keyStart, keyBytes, valueStart, valueBytes } = record;
    const keyText = data.toString('latin1', keyStart, keyStart + keyBytes);
    const key = this.#keys.get(keyText) ?? this.#learn(keyText, record);
    if (key === undefined) return;
    if (key.kind === 'group') {
      if (valueBytes < 0) this.#groupValues.delete(key.groupId);
      else this.#groupValues.set(key.groupId, Buffer.from(data.subarray(valueStart, valueStart + valueBytes)));
      return;
    }
    const { groupId, topic, partition } = key;
    const offsets = this.#offsetsOf(groupId);
    if (valueBytes < 0) {
      // What is kept of keys is bounded by the state, so it goes with what it speaks of.
      this.#keys.delete(keyText);
      // Who deletes an offset deletes what transactions have in store for it, too.
      if (producerId === undefined) offsets.remove(topic, partition);
      else offsets.removeTransactional(producerId, topic, partition);
      if (offsets.isEmpty) this.#offsets.delete(groupId);
      return;
    }
    const committed = decodeOffset(data, valueStart, valueStart + valueBytes);
    if (producerId === undefined) {
      offsets.apply(topic, partition, committed, recordOffset);
      return;
    }
    offsets.applyTransactional(producerId, topic, partition, committed, recordOffset);
    const open = this.#open.get(producerId);
    if (open === undefined) this.#open.set(producerId, new Set([offsets]));
    else open.add(offsets);
  }

  #learn(keyText: string, record: RecordCursor): StateKey | undefined {
    const key = decodeKey(record.key() ?? NO_BYTES);
    if (key?.kind === 'offset') this.#keys.set(keyText, key);
    return key;
  }

  #endTransaction(batch: Buffer): void {
    const marker = readEndTxnMarker(batch);
    if (marker === undefined) return;
    const producerId = batchProducerId(batch, 0);
    const isCommit = marker.type === ControlRecordType.COMMIT;
    for (const offsets of this.#open.get(producerId) ?? []) offsets.endTransaction(producerId, isCommit);
    this.#open.delete(producerId);
  }

  #offsetsOf(groupId: string): GroupOffsets {
    let offsets = this.#offsets.get(groupId);
    if (offsets === undefined) {
      offsets = new GroupOffsets();
      this.#offsets.set(groupId, offsets);
    }
    return offsets;
  }

  #restore(groupId: string, value: Buffer): Group | undefined {
    // What fails here says nothing of the record: then all is read once more, and the group does not begin anew.
    const group = new Group(groupId, this.#now, this.#memory);
    try {
      return group.restore(decodeGroup(value));
    } catch (error) {
      this.#logger.error({ err: error, group: groupId }, 'Skipping a group in __consumer_offsets that cannot be read');
      return undefined;
    }
  }
}
