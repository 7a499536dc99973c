import {
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchProducerId,
  batchSizeBytes,
  ControlRecordType,
  readEndTxnMarker,
  readRecords,
  splitBatches,
} from '@millrace/records';
import type { Logger } from '../shared/logger.ts';
import { Group } from './group.ts';
import { GroupMemory } from './group-memory.ts';
import { GroupOffsets } from './group-offsets.ts';
import { Groups } from './groups.ts';
import { decodeGroup, decodeKey, decodeOffset } from './state-records.ts';

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
      const batch = batches.subarray(at, at + batchSizeBytes(batches, at));
      try {
        if (batchIsControl(batch, 0)) this.#endTransaction(batch);
        else this.#addBatch(batch);
      } catch (error) {
        const recordOffset = batchBaseOffset(batch, 0);
        this.#logger.error({ err: error, recordOffset }, 'Skipping a batch of __consumer_offsets that cannot be read');
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

  #addBatch(batch: Buffer): void {
    const producerId = batchIsTransactional(batch, 0) ? batchProducerId(batch, 0) : undefined;
    const recordOffset = batchBaseOffset(batch, 0);
    for (const { key, value } of readRecords(batch)) {
      this.#records += 1;
      if (key === null) continue;
      try {
        this.#addRecord(key, value, producerId, recordOffset);
      } catch (error) {
        // One unreadable record must not take all groups of the partition with it.
        this.#logger.error({ err: error, recordOffset }, 'Skipping a record of __consumer_offsets that cannot be read');
      }
    }
  }

  #addRecord(key: Buffer, value: Buffer | null, producerId: number | undefined, recordOffset: number): void {
    const decoded = decodeKey(key);
    if (decoded === undefined) return;
    if (decoded.kind === 'group') {
      if (value === null) this.#groupValues.delete(decoded.groupId);
      else this.#groupValues.set(decoded.groupId, Buffer.from(value));
      return;
    }
    const { groupId, topic, partition } = decoded;
    const offsets = this.#offsetsOf(groupId);
    if (producerId !== undefined) {
      if (value === null) offsets.removeTransactional(producerId, topic, partition);
      else {
        offsets.applyTransactional(producerId, topic, partition, decodeOffset(value), recordOffset);
        const open = this.#open.get(producerId);
        if (open === undefined) this.#open.set(producerId, new Set([offsets]));
        else open.add(offsets);
      }
    } else if (value === null) {
      // Who deletes an offset deletes what transactions have in store for it, too.
      offsets.remove(topic, partition);
      if (offsets.isEmpty) this.#offsets.delete(groupId);
    } else {
      offsets.apply(topic, partition, decodeOffset(value), recordOffset);
    }
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
    try {
      return decodeGroup(groupId, value, this.#now, this.#memory);
    } catch (error) {
      this.#logger.error({ err: error, group: groupId }, 'Skipping a group in __consumer_offsets that cannot be read');
      return undefined;
    }
  }
}
