import { Compression, RecordBatchBuilder, setBatchBaseOffset } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeLog } from '../testing/fake-log.ts';
import { type AbortedTransaction, type ChunkContext, type FetchedChunk, takeIn } from './fetched-chunk.ts';
import { ResponseMemory } from './response-memory.ts';

function context(rest: Partial<ChunkContext> = {}): ChunkContext {
  return {
    topic: 't',
    partition: 0,
    fromOffset: 0,
    abortedTransactions: undefined,
    checkCrcs: true,
    decoders: { key: undefined, value: undefined },
    ...rest,
  };
}

function valuesOf(chunk: FetchedChunk | undefined): string[] {
  const values: string[] = [];
  for (let record = chunk?.next(); record !== undefined; record = chunk?.next()) {
    values.push(`${record.offset}=${(record.rawValue as Buffer).toString()}`);
  }
  return values;
}

/** What a consumer sees of a log from an offset on. */
function read(log: FakeLog, fromOffset: number, readCommitted: boolean) {
  const { records, aborted } = log.read(fromOffset, 1e9, readCommitted);
  const abortedTransactions = readCommitted ? aborted : undefined;
  return takeIn(records, context({ fromOffset, abortedTransactions })).chunk;
}

describe('what was fetched', () => {
  it('is handed out from the offset that was asked for, since batches come whole', () => {
    const log = new FakeLog(1);
    log.append(['a', 'b', 'c']);
    log.append(['d', 'e']);
    const chunk = read(log, 1, false);
    expect(valuesOf(chunk)).toEqual(['1=b', '2=c', '3=d', '4=e']);
    expect(chunk?.nextOffset).toBe(5);
    expect(chunk?.exhausted).toBe(true);
  });

  it.each(Object.entries(Compression))('is decompressed (%s)', (_name, compression) => {
    const log = new FakeLog(1);
    log.append(['a'.repeat(1000), 'b'], { compression });
    expect(valuesOf(read(log, 0, false))).toEqual([`0=${'a'.repeat(1000)}`, '1=b']);
  });

  it('ends before a batch that is cut off, which is no fault', () => {
    const log = new FakeLog(1);
    log.append(['a']);
    log.append(['b']);
    const { records } = log.read(0, 1e9, false);
    for (const bytes of [1, 10, 16, 17, 40]) {
      const { chunk, fault } = takeIn(records.subarray(0, records.length - bytes), context());
      expect([valuesOf(chunk), chunk?.nextOffset, fault]).toEqual([['0=a'], 1, undefined]);
    }
    expect(takeIn(records.subarray(0, 20), context())).toEqual({ chunk: undefined, fault: undefined });
  });

  it('ends before a batch that is damaged, wherever the damage is', () => {
    const log = new FakeLog(1);
    log.append(['a', 'b']);
    const second = log.batches[0]?.bytes.length ?? 0;
    log.append(['c']);
    const { records } = log.read(0, 1e9, false);
    // Base offset, length and leader epoch lie outside of what the checksum covers.
    for (let at = second + 16; at < records.length; at += 1) {
      const damaged = Buffer.from(records);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      const { chunk, fault } = takeIn(damaged, context());
      expect(valuesOf(chunk)).toEqual(['0=a', '1=b']);
      expect(fault?.offset).toBe(2);
    }
  });

  it('is not checked where the checks are switched off', () => {
    const log = new FakeLog(1);
    log.append(['a']);
    const { records } = log.read(0, 1e9, false);
    records[records.length - 2] = 'z'.charCodeAt(0);
    expect(takeIn(records, context()).fault?.fault).toBe('BAD_CRC');
    expect(valuesOf(takeIn(records, context({ checkCrcs: false })).chunk)).toEqual(['0=z']);
  });

  it('covers offsets that compaction has taken away', () => {
    const builder = new RecordBatchBuilder();
    for (const value of ['a', 'b']) builder.append(0, null, value);
    const batch = builder.build();
    setBatchBaseOffset(batch, 0, 10);
    const chunk = takeIn(batch, context({ fromOffset: 3 })).chunk;
    expect(valuesOf(chunk)).toEqual(['10=a', '11=b']);
    expect(chunk?.nextOffset).toBe(12);
  });
});

describe('the memory of a response', () => {
  const chunkOf = (values: string[]) => {
    const log = new FakeLog(1);
    for (const value of values) log.append([value]);
    return read(log, 0, false) as FetchedChunk;
  };
  // Long enough that Node does not take their memory from its pool, which all small buffers share.
  const long = (letter: string) => letter.repeat(Buffer.poolSize);
  const memoryOfNext = (chunk: FetchedChunk) => chunk.next()!.rawValue!.buffer;

  it('is let go when little of it is still wanted, and what is wanted is kept', () => {
    const memory = new ResponseMemory();
    const large = chunkOf(['x'.repeat(20 * Buffer.poolSize)]);
    const small = chunkOf([long('a'), long('b'), long('c')]);
    const buffer = memoryOfNext(small);
    for (const chunk of [large, small]) chunk.shareMemory(memory);
    large.release();
    expect(memoryOfNext(small)).not.toBe(buffer);
    expect(valuesOf(small)).toEqual([`2=${long('c')}`]);
  });

  it('stays while much of it is wanted', () => {
    const memory = new ResponseMemory();
    const [one, other] = [chunkOf([long('a')]), chunkOf([long('b'), long('c')])];
    const buffer = memoryOfNext(other);
    for (const chunk of [one, other]) chunk.shareMemory(memory);
    one.release();
    expect(memoryOfNext(other)).toBe(buffer);
  });
});

it('says of each record whether it was sent in a transaction', () => {
  const log = new FakeLog(1);
  log.append(['plain']);
  log.append(['sold', 'packed'], { producerId: 7, transactional: true });
  log.endTransaction(7, true);
  const chunk = read(log, 0, false);
  const said: boolean[] = [];
  for (let record = chunk?.next(); record !== undefined; record = chunk?.next()) said.push(record.isTransactional);
  expect(said).toEqual([false, true, true]);
});

describe('read_committed', () => {
  it('hides every one of several transactions that one producer has aborted, and shows those between', () => {
    const log = new FakeLog(1);
    const transaction = (value: string, committed: boolean) => {
      log.append([value], { producerId: 7, transactional: true });
      log.endTransaction(7, committed);
    };
    transaction('no', false);
    transaction('yes', true);
    transaction('no', false);
    log.append(['plain']);
    transaction('no', false);
    transaction('yes', true);
    expect(log.aborted).toHaveLength(3);
    const chunk = read(log, 0, true);
    expect(valuesOf(chunk)).toEqual(['2=yes', '6=plain', '9=yes']);
    expect(chunk?.nextOffset).toBe(11);
  });

  it('hides nothing of another producer whose transaction lies within an aborted one', () => {
    const log = new FakeLog(1);
    log.append(['no'], { producerId: 1, transactional: true });
    log.append(['yes'], { producerId: 2, transactional: true });
    log.append(['no'], { producerId: 1, transactional: true });
    log.endTransaction(2, true);
    log.append(['no'], { producerId: 1, transactional: true });
    log.endTransaction(1, false);
    expect(valuesOf(read(log, 0, true))).toEqual(['1=yes']);
    expect(valuesOf(read(log, 0, false))).toEqual(['0=no', '1=yes', '2=no', '4=no']);
  });

  it('shows what is committed and nothing else, however transactions interleave and wherever reading begins', () => {
    const event = fc.record({
      kind: fc.constantFrom('append', 'append', 'plain', 'commit', 'abort'),
      producerId: fc.nat(2),
      count: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.nat(60), (events, from) => {
        const log = new FakeLog(1);
        const open = new Map<number, string[]>();
        const visible: string[] = [];
        const write = (values: string[], into: string[], options = {}): void => {
          const at = log.append(values, options);
          into.push(...values.map((value, index) => `${at + index}=${value}`));
        };
        for (const { kind, producerId, count } of events) {
          const values = Array.from({ length: count }, (_, n) => `${kind}${n}`);
          if (kind === 'plain') write(values, visible);
          else if (kind === 'append') {
            const list = open.get(producerId) ?? [];
            open.set(producerId, list);
            write(values, list, { producerId, transactional: true });
          } else {
            if (kind === 'commit') visible.push(...(open.get(producerId) ?? []));
            open.delete(producerId);
            log.endTransaction(producerId, kind === 'commit');
          }
        }
        const offsetOf = (text: string): number => Number(text.split('=')[0]);
        const end = log.lastStableOffset;
        const wanted = visible
          .filter((text) => offsetOf(text) >= from && offsetOf(text) < end)
          .sort((a, b) => offsetOf(a) - offsetOf(b));
        const chunk = from < end ? read(log, from, true) : undefined;
        expect(valuesOf(chunk)).toEqual(wanted);
        // What is hidden is passed over, not waited for.
        if (chunk !== undefined) expect(chunk.nextOffset).toBe(end);
      }),
      { numRuns: 300 },
    );
  });

  it('takes the list of aborted transactions in any order', () => {
    const log = new FakeLog(1);
    for (const producerId of [3, 1, 2]) {
      log.append(['no'], { producerId, transactional: true });
      log.endTransaction(producerId, false);
    }
    const { records, aborted } = log.read(0, 1e9, true);
    const abortedTransactions: AbortedTransaction[] = [...aborted].reverse();
    expect(valuesOf(takeIn(records, context({ abortedTransactions })).chunk)).toEqual([]);
  });
});
