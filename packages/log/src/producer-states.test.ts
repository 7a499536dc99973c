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
    expect([states.goOnWith(7, 0) !== undefined, states.goOnWith(7, 1) !== undefined]).toEqual([true, false]);
    states.noteMarker(abortMarker(7, 0), 0);
    expect(check(states, guard)).toBe(ErrorCode.INVALID_TXN_STATE);
    const given = ask(states);
    states.endVerification(given);
    expect(check(states, given)).toBe(ErrorCode.INVALID_TXN_STATE);
  });

  it('let a batch whose transaction was seen open go on with it, and begin none where a marker has come before its turn', () => {
    const next = (producerEpoch = 0): Buffer =>
      batchOf(['v'], { producerId: 7, producerEpoch, baseSequence: 1, isTransactional: true });
    const states = new ProducerStates();
    expect(states.goOnWith(7, 0)).toBeUndefined();
    states.noteBatch(batchOf(['v'], { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }), 0);
    const seen = states.goOnWith(7, 0)!;
    expect(states.checkGuard(next(), 0, seen)).toBeUndefined();
    expect(states.checkGuard(next(1), 0, seen)?.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
    states.noteMarker(abortMarker(7, 0), 0);
    expect(states.checkGuard(next(), 0, seen)?.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
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

describe('ProducerStates that go back', () => {
  const write = fc.record({
    kind: fc.constantFrom('plain', 'plain', 'transactional', 'commit', 'abort'),
    producerId: fc.integer({ min: 1, max: 3 }),
    epoch: fc.nat(2),
    count: fc.integer({ min: 1, max: 3 }),
  });

  /** A batch with its place in the log. */
  type Placed = { readonly bytes: Buffer; readonly isMarker: boolean; readonly offset: number };

  /** Batches as producers write them: a transaction's records have its flag, and epochs only rise. */
  function placed(writes: readonly (typeof write extends fc.Arbitrary<infer T> ? T : never)[]): Placed[] {
    const epochs = new Map<number, number>();
    const sequences = new Map<string, number>();
    const open = new Set<number>();
    let end = 0;
    return writes.map(({ kind, producerId, epoch: wanted, count }) => {
      const isMarker = kind === 'commit' || kind === 'abort';
      const epoch =
        open.has(producerId) && !isMarker ? epochs.get(producerId)! : Math.max(epochs.get(producerId) ?? 0, wanted);
      epochs.set(producerId, epoch);
      const key = `${producerId} ${epoch}`;
      const baseSequence = sequences.get(key) ?? 0;
      const isTransactional = kind === 'transactional' || open.has(producerId);
      if (isMarker) open.delete(producerId);
      else if (isTransactional) open.add(producerId);
      const records = Array.from({ length: count }, () => 'v');
      const identity = { producerId, producerEpoch: epoch, baseSequence, isTransactional };
      const marker = kind === 'commit' ? commitMarker(producerId, epoch, 0) : abortMarker(producerId, epoch);
      const bytes = isMarker ? marker : batchOf(records, identity);
      if (!isMarker) sequences.set(key, baseSequence + count);
      const offset = end;
      setBatchBaseOffset(bytes, 0, offset);
      end += isMarker ? 1 : count;
      return { bytes, isMarker, offset };
    });
  }

  function note(states: ProducerStates, { bytes, isMarker }: Placed): void {
    if (isMarker) states.noteMarker(bytes, 0);
    else states.noteBatch(bytes, 0);
  }

  it('are what they were, as often as they go back, wherever that is not before what is committed', () => {
    const cut = fc.record({ cutAt: fc.nat(40), highWatermark: fc.nat(40) });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), fc.array(cut, { maxLength: 4 }), (writes, cuts) => {
        const log = placed(writes);
        const states = new ProducerStates();
        for (const batch of log) note(states, batch);
        let end = Number.POSITIVE_INFINITY;
        let committed = 0;
        for (const { cutAt, highWatermark } of cuts) {
          committed = Math.max(committed, Math.min(highWatermark, end));
          states.highWatermarkAdvanced(committed);
          const to = Math.max(Math.min(cutAt, end), committed);
          expect(states.goBackTo(to)).toBe(true);
          end = to;
          const replayed = new ProducerStates();
          for (const batch of log) if (batch.offset < end) note(replayed, batch);
          replayed.highWatermarkAdvanced(committed);
          const sorted = (of: ProducerStates): unknown[] =>
            [...of.entries.values()].sort((a, b) => a.producerId - b.producerId);
          expect(sorted(states)).toEqual(sorted(replayed));
          expect(states.firstUnstableOffset).toBe(replayed.firstUnstableOffset);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('do not where something is committed or forgotten, nor before where they were loaded', () => {
    const log = placed(Array.from({ length: 2000 }, () => ({ kind: 'plain', producerId: 1, epoch: 0, count: 1 })));
    const states = new ProducerStates();
    for (const batch of log) note(states, batch);
    const { lastSequence } = states.entries.get(1)!;
    expect(states.goBackTo(2000 - 1025)).toBe(false);
    expect(states.entries.get(1)!.lastSequence).toBe(lastSequence);
    states.highWatermarkAdvanced(1500);
    expect([states.goBackTo(1499), states.goBackTo(1800), states.goBackTo(1500)]).toEqual([false, true, true]);
    expect(states.entries.get(1)!.lastSequence).toBe(1499);
    states.beginAt(1500);
    note(states, log[1500]!);
    expect([states.goBackTo(1499), states.goBackTo(1500)]).toEqual([false, true]);
    expect(states.entries.get(1)!.lastSequence).toBe(1499);
  });

  it('go back as far as there is room for what came since', () => {
    const log = placed(Array.from({ length: 1500 }, () => ({ kind: 'plain', producerId: 1, epoch: 0, count: 1 })));
    const states = new ProducerStates();
    for (const batch of log) note(states, batch);
    expect([states.goBackTo(1500 - 1025), states.goBackTo(1500 - 1024)]).toEqual([false, true]);
    expect(states.entries.get(1)!.lastSequence).toBe(475);
  });

  it('hold no answer about transactions to be still true', () => {
    const states = new ProducerStates();
    const guard = states.beginVerification({ producerId: 7, epoch: 0, baseSequence: 0, isRaising: false });
    states.goBackTo(0);
    const batch = batchOf(['v'], { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true });
    expect(states.checkGuard(batch, 0, guard)?.errorCode).toBe(ErrorCode.INVALID_TXN_STATE);
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
