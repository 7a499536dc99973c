import { ErrorCode } from '@millrace/protocol';
import { setBatchBaseOffset } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerificationGuard } from './log-types.ts';
import { ProducerEntry } from './producer-entry.ts';
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import { abortMarker, batchOf, commitMarker } from './testing/test-logs.ts';

const SEQUENCE_MAX = 2 ** 31 - 1;

/** Producer state with the ways of a log: check, place, note. */
class Writer {
  readonly states: ProducerStates = new ProducerStates();
  #offset = 0;

  /** Writes `count` records; gives the error code, or the offset of the original for a duplicate. */
  write(sequence: number, count = 1, epoch = 0, isTransactional = false): number | string {
    const records = Array.from({ length: count }, () => 'v');
    const batch = batchOf(records, { producerId: 7, producerEpoch: epoch, baseSequence: sequence, isTransactional });
    const duplicate = this.states.findDuplicate(batch, 0);
    if (duplicate !== undefined) return `duplicate of ${duplicate.firstOffset}`;
    const refusal = this.states.checkBatch(batch, 0, true);
    if (refusal !== undefined) return refusal.errorCode;
    this.#place(batch, count);
    this.states.noteBatch(batch, 0);
    return ErrorCode.NONE;
  }

  end(marker: Buffer): ReturnType<ProducerStates['noteMarker']> | number {
    const refusal = this.states.checkMarker(marker, 0, false);
    if (refusal !== undefined) return refusal.errorCode;
    this.#place(marker, 1);
    return this.states.noteMarker(marker, 0);
  }

  #place(batch: Buffer, count: number): void {
    setBatchBaseOffset(batch, 0, this.#offset);
    this.#offset += count;
  }
}

describe('ProducerStates', () => {
  it('forgets those that have not written for longest when there are too many, but none in a transaction', () => {
    const states = new ProducerStates(undefined, 10);
    const write = (producerId: number, isTransactional = false): void => {
      const timestamp = 1000 + producerId;
      const record = { value: 'v', timestamp };
      states.noteBatch(batchOf([record], { producerId, producerEpoch: 0, baseSequence: 0, isTransactional }), 0);
    };
    write(0, true);
    for (let producerId = 1; producerId < 100; producerId += 1) write(producerId);
    expect(states.size).toBe(10);
    expect([...states.entries.keys()]).toEqual([0, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  });

  it('takes the first batch of a transaction on an answer that nothing has overtaken, and on no other', () => {
    const first = (): Buffer =>
      batchOf(['v'], { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true });
    const check = (states: ProducerStates, guard: VerificationGuard): number | undefined =>
      states.checkGuard(first(), 0, guard)?.errorCode;
    const ask = (asked: ProducerStates): VerificationGuard =>
      asked.beginVerification({ producerId: 7, epoch: 0, baseSequence: 0, isRaising: false });
    const states = new ProducerStates();
    const overtakenByMarker = ask(states);
    states.noteMarker(abortMarker(7, 0), 0);
    expect(check(states, overtakenByMarker)).toBe(ErrorCode.INVALID_TXN_STATE);
    const older = ask(states);
    const guard = ask(states);
    expect([check(states, older), check(states, guard)]).toEqual([ErrorCode.INVALID_TXN_STATE, undefined]);
    states.noteBatch(first(), 0);
    // It is open now, so that no answer is needed, until it ends.
    expect(check(states, guard)).toBeUndefined();
    expect([states.hasOpenTransaction(7, 0), states.hasOpenTransaction(7, 1)]).toEqual([true, false]);
    states.noteMarker(abortMarker(7, 0), 0);
    expect(check(states, guard)).toBe(ErrorCode.INVALID_TXN_STATE);
    const given = ask(states);
    states.endVerification(given);
    expect(check(states, given)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('let no later batch be the first of a producer that they do not know while an earlier one is to come again', () => {
    const batch = (baseSequence: number, producerEpoch = 0): Buffer =>
      batchOf(['v'], { producerId: 7, producerEpoch, baseSequence, isTransactional: true });
    const states = new ProducerStates();
    const attempt = (baseSequence: number, epoch = 0): number | undefined => {
      const guard = states.beginVerification({ producerId: 7, epoch, baseSequence, isRaising: false });
      const refusal = states.checkGuard(batch(baseSequence, epoch), 0, guard);
      states.endVerification(guard);
      return refusal?.errorCode;
    };
    // Its coordinator cannot be asked now, so that it comes again.
    states.endVerification(states.beginVerification({ producerId: 7, epoch: 0, baseSequence: 5, isRaising: false }));
    expect([attempt(6), attempt(5), attempt(6)]).toEqual([
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      undefined,
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ]);
    // A new epoch begins anew, and what comes late of the old one brings nothing back.
    expect([attempt(3, 1), attempt(2), attempt(4, 1)]).toEqual([
      undefined,
      undefined,
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ]);
    // Its end, or anything else of it, is something to go by.
    states.noteMarker(abortMarker(7, 1), 0);
    expect(attempt(9, 1)).toBeUndefined();
  });

  it('takes no later batch of a producer that raises its epoch for the first, where it does not know the producer', () => {
    const states = new ProducerStates();
    const batch = (baseSequence: number): Buffer =>
      batchOf(['v'], { producerId: 7, producerEpoch: 3, baseSequence, isTransactional: true });
    const check = (baseSequence: number, isRaising: boolean): number | undefined => {
      const guard = states.beginVerification({ producerId: 7, epoch: 0, baseSequence, isRaising });
      return states.checkGuard(batch(baseSequence), 0, guard)?.errorCode;
    };
    expect([check(1, true), check(0, true), check(1, false), check(-1, true)]).toEqual([
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      undefined,
      undefined,
      undefined,
    ]);
    states.noteBatch(batch(0), 0);
    expect(check(1, true)).toBeUndefined();
  });

  it('lets a marker whose epoch was raised for it end nothing of that epoch', () => {
    const states = new ProducerStates();
    const check = (epoch: number, isRaised: boolean): number | undefined =>
      states.checkMarker(abortMarker(7, epoch), 0, isRaised)?.errorCode;
    states.noteMarker(abortMarker(7, 4), 0);
    expect([check(4, true), check(5, true)]).toEqual([undefined, undefined]);
    states.noteBatch(batchOf(['v'], { producerId: 7, producerEpoch: 4, baseSequence: 0, isTransactional: true }), 0);
    expect([check(3, true), check(4, true), check(5, true), check(4, false)]).toEqual([
      ErrorCode.INVALID_PRODUCER_EPOCH,
      ErrorCode.INVALID_PRODUCER_EPOCH,
      undefined,
      undefined,
    ]);
  });

  it('takes sequence numbers without gaps, and knows its last five batches again', () => {
    const writer = new Writer();
    for (let sequence = 0; sequence < 7; sequence += 1) expect(writer.write(sequence)).toBe(0);
    expect(writer.write(8)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(writer.write(6)).toBe('duplicate of 6');
    expect(writer.write(2)).toBe('duplicate of 2');
    expect(writer.write(1)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(writer.write(6, 2)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(writer.write(7, 3)).toBe(0);
    expect(writer.write(7, 3)).toBe('duplicate of 7');
    expect(writer.write(10)).toBe(0);
  });

  it('takes any sequence number of a producer that it does not know', () => {
    expect(new Writer().write(1234)).toBe(0);
  });

  it('lets sequence numbers run over the end of an int32', () => {
    const writer = new Writer();
    expect(writer.write(SEQUENCE_MAX - 1, 2)).toBe(0);
    expect(writer.write(1)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(writer.write(0)).toBe(0);
    expect(writer.write(1)).toBe(0);
    const within = new Writer();
    expect(within.write(SEQUENCE_MAX - 1, 4)).toBe(0);
    expect(within.write(SEQUENCE_MAX - 1, 4)).toBe('duplicate of 0');
    expect(within.write(2)).toBe(0);
  });

  it('begins at 0 with a new epoch and refuses the old one', () => {
    const writer = new Writer();
    expect(writer.write(0, 3, 1)).toBe(0);
    expect(writer.write(3, 1, 2)).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(writer.write(0, 1, 2)).toBe(0);
    expect(writer.write(3, 1, 1)).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('holds the last stable offset back while a transaction is open or not replicated', () => {
    const writer = new Writer();
    writer.write(0);
    expect(writer.states.firstUnstableOffset).toBeUndefined();
    writer.write(1, 2, 0, true);
    expect(writer.states.firstUnstableOffset).toBe(1);
    expect(writer.write(3)).toBe(ErrorCode.INVALID_TXN_STATE);
    writer.write(3, 1, 0, true);
    expect(writer.end(abortMarker(7, 0, 5))).toEqual({
      producerId: 7,
      firstOffset: 1,
      lastOffset: 4,
      isAborted: true,
      lastStableOffset: 5,
    });
    expect(writer.states.firstUnstableOffset).toBe(1);
    writer.states.highWatermarkAdvanced(4);
    expect(writer.states.firstUnstableOffset).toBe(1);
    writer.states.highWatermarkAdvanced(5);
    expect(writer.states.firstUnstableOffset).toBeUndefined();
  });

  it('refuses markers of an old producer epoch and of an old coordinator', () => {
    const writer = new Writer();
    writer.write(0, 1, 3, true);
    expect(writer.end(commitMarker(7, 2, 5))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(writer.end(commitMarker(7, 3, 5))).toMatchObject({ isAborted: false });
    expect(writer.end(commitMarker(7, 3, 4))).toBe(ErrorCode.TRANSACTION_COORDINATOR_FENCED);
  });

  it('forgets idle producers, but none with an open transaction', () => {
    const writer = new Writer();
    writer.write(0);
    writer.states.removeExpired(1_700_000_000_000 + 999, 1000);
    expect(writer.states.size).toBe(1);
    writer.states.removeExpired(1_700_000_000_000 + 1000, 1000);
    expect(writer.states.size).toBe(0);
    writer.write(0, 1, 0, true);
    writer.states.removeExpired(1_900_000_000_000, 1000);
    expect(writer.states.size).toBe(1);
  });

  it('remembers a producer from its marker on, however old its records say that they are (KAFKA-9144)', () => {
    const states = new ProducerStates();
    const identity = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    states.noteBatch(batchOf([{ timestamp: 5 }], identity), 0);
    states.removeExpired(1_700_000_000_000, 1000);
    expect(states.size).toBe(1);
    states.noteMarker(abortMarker(7, 0), 0);
    states.removeExpired(1_700_000_000_000 + 999, 1000);
    expect(states.size).toBe(1);
    states.removeExpired(1_700_000_000_000 + 1000, 1000);
    expect(states.size).toBe(0);
  });
});

describe('producer snapshots', () => {
  it('have the layout of Kafka', () => {
    const entry = new ProducerEntry(4000);
    entry.addBatch(2, 10, 14, 100, 104, 1_700_000_000_000);
    entry.coordinatorEpoch = 6;
    const bytes = encodeProducerSnapshot(new Map([[4000, entry]]));
    expect(bytes.subarray(0, 2).toString('hex')).toBe('0001');
    expect(bytes.subarray(6).toString('hex')).toBe(
      [
        '00000001', // one producer
        '0000000000000fa0', // id
        '0002', // epoch
        '0000000e', // last sequence
        '0000000000000068', // last offset
        '00000004', // offset delta
        '0000018bcfe56800', // timestamp
        '00000006', // coordinator epoch
        'ffffffffffffffff', // no transaction
      ].join(''),
    );
    // CRC-32C of those bytes, computed bit by bit outside of this project.
    expect(bytes.readUInt32BE(2)).toBe(0x3bda897c);
  });

  it('come back as they went, with the last batch of each producer', () => {
    const entry = fc.record({
      id: fc.nat(),
      epoch: fc.nat(100),
      sequence: fc.nat(SEQUENCE_MAX),
      delta: fc.nat(1000),
      offset: fc.nat(),
      txn: fc.integer({ min: -1, max: 1000 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ id }) => id }), (given) => {
        const producers = new Map<number, ProducerEntry>();
        for (const { id, epoch, sequence, delta, offset, txn } of given) {
          const made = new ProducerEntry(id);
          const last = (sequence + delta) % (SEQUENCE_MAX + 1);
          made.addBatch(epoch, sequence, last, offset, offset + delta, 5);
          made.transactionFirstOffset = txn;
          producers.set(id, made);
        }
        const back = decodeProducerSnapshot(encodeProducerSnapshot(producers), 'x');
        expect([...back.values()]).toEqual([...producers.values()]);
      }),
    );
  });

  it('are refused when any bit is wrong', () => {
    const entry = new ProducerEntry(1);
    entry.addBatch(0, 0, 0, 0, 0, 0);
    const bytes = encodeProducerSnapshot(new Map([[1, entry]]));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeProducerSnapshot(damaged, 'x')).toThrow();
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeProducerSnapshot(bytes.subarray(0, length), 'x')).toThrow();
    }
  });
});
