/** What becomes of records that handlers fail at. */
import type { Logger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import type { ConsumerRecord } from '../record.ts';
import { newHarness } from '../testing/harness.ts';
import { assigned, filled, processed, run } from '../testing/reading.ts';
import type { DeadLetter } from './run-options.ts';

function recording(lines: string[]): Logger {
  const line = (level: string) => (_fields: object, message: string) => {
    if (level !== 'debug' && level !== 'info') lines.push(`${level} ${message}`);
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') } as Logger;
}

describe('run', () => {
  it('sends what it cannot handle on, with its origin and the error, and goes on', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = assigned(harness, 1, { groupId: 'g' });
    const letters: DeadLetter[] = [];
    const handled: number[] = [];
    const done = run(engine, {
      retry: { retries: 1, backoffMs: 1, isRetriable: (error) => !(error as Error).message.startsWith('bad') },
      deadLetterTopic: 'dead',
      deadLetter: { send: async (letter) => void letters.push(letter) },
      eachRecord: async ({ offset }) => {
        if (offset === 1) throw new Error('bad ä');
        if (offset === 3) throw Object.assign(new TypeError('worse'), { code: 'E_WORSE' });
        handled.push(offset);
      },
    });
    await harness.until('all is handled', () => handled.length === 3);
    const about = letters.map(({ topic, value, headers }) => ({
      topic,
      value: value?.toString(),
      ...Object.fromEntries(headers.map((header) => [header.key, header.value?.toString()])),
    }));
    expect(about).toMatchObject([
      {
        topic: 'dead',
        value: '1.0',
        'dead-letter-topic': 't',
        'dead-letter-partition': '0',
        'dead-letter-offset': '1',
        'dead-letter-group': 'g',
        'dead-letter-attempts': '1',
        'dead-letter-error-name': 'Error',
        'dead-letter-error-message': 'bad ä',
      },
      {
        value: '3.0',
        'dead-letter-attempts': '2',
        'dead-letter-error-name': 'TypeError',
        'dead-letter-error-code': 'E_WORSE',
      },
    ]);
    expect(processed(engine)).toEqual([5]);
    const closed = engine.close();
    await harness.clock.advanceAsync(1_000);
    await closed;
    await done;
  });

  it('ends when a dead letter cannot be sent, for the record would be lost', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = assigned(harness, 1);
    const done = run(engine, {
      deadLetterTopic: 'dead',
      deadLetter: { send: () => Promise.reject(new Error('full')) },
      eachBatch: (batch) => {
        if (batch.firstOffset === 0) batch.markProcessed(batch.records[1] as ConsumerRecord);
        throw new Error('no');
      },
    });
    const told = expect(done).rejects.toMatchObject({ code: 'CONSUMER_DEAD_LETTER_FAILED', offset: 2 });
    await harness.clock.advanceAsync(1_000);
    await told;
    expect(processed(engine)).toEqual([2]);
  });

  it('sends of a batch what was not marked as processed', async () => {
    const harness = newHarness();
    filled(harness, 1, 5);
    const engine = assigned(harness, 1);
    const letters: string[] = [];
    const done = run(engine, {
      deadLetterTopic: 'dead',
      deadLetter: { send: async ({ value }) => void letters.push(`${value}`) },
      eachBatch: (batch) => {
        if (batch.firstOffset === 0) batch.markProcessed(batch.records[2] as ConsumerRecord);
        throw new Error('no');
      },
    });
    await harness.until('the letters are sent', () => letters.length === 2);
    expect(letters).toEqual(['3.0', '4.0']);
    await harness.clock.advanceAsync(10);
    expect(processed(engine)).toEqual([5]);
    await engine.close();
    await done;
  });

  it('sends of a batch only what fails by itself, in few calls, and has the rest handled in order', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 64);
    const engine = assigned(harness, 1);
    const letters: string[] = [];
    const handled: number[] = [];
    let calls = 0;
    const done = run(engine, {
      deadLetterTopic: 'dead',
      deadLetter: { send: async ({ value }) => void letters.push(`${value}`) },
      eachBatch: async (batch) => {
        calls += 1;
        await Promise.resolve();
        if (batch.records.some(({ offset }) => offset === 7 || offset === 40)) throw new Error('one is bad');
        for (const { offset } of batch) handled.push(offset);
      },
    });
    await harness.until('all is done with', () => processed(engine)[0] === 64);
    expect(letters).toEqual(['0.7', '0.40']);
    expect(handled).toEqual(Array.from({ length: 64 }, (_, n) => n).filter((n) => n !== 7 && n !== 40));
    // Two of 64: about 2 log2(64) calls for each.
    expect(calls).toBeLessThanOrEqual(1 + 2 * 2 * 6);
    expect(engine.handling.deadLetters).toBe(2);
    await engine.close();
    await done;
  });

  it('commits what is handled of a batch though the partition goes while it is divided', async () => {
    const harness = newHarness();
    filled(harness, 1, 1, 8);
    const engine = assigned(harness, 1);
    const calls: number[][] = [];
    const done = run(engine, {
      deadLetterTopic: 'dead',
      deadLetter: { send: async () => {} },
      eachBatch: (batch) => {
        calls.push(batch.records.map(({ offset }) => offset));
        if (batch.records.length === 8) throw new Error('no');
        // The first half is handled, and then the partition is given up.
        if (batch.firstOffset === 4) {
          for (const state of engine.partitions) engine.delivery.leaseOf(state)?.cancel();
          throw new Error('stopped');
        }
      },
    });
    await harness.until('it was divided', () => calls.length >= 3);
    await harness.clock.advanceAsync(1);
    expect([calls[1], calls[2], processed(engine)]).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [4]]);
    await engine.close();
    await done;
  });

  it('logs what fails, is tried again, and goes to the dead letters, and counts it', async () => {
    const harness = newHarness();
    filled(harness, 1, 3);
    harness.cluster.createTopic('dead', 1);
    const lines: string[] = [];
    const logger = recording(lines);
    const engine = assigned(harness, 1, { logger });
    const done = run(engine, {
      retry: { retries: 2, backoffMs: 1 },
      deadLetterTopic: 'dead',
      deadLetter: { send: async () => {} },
      eachRecord: ({ offset }) => {
        // What libraries throw is not always an error, nor its message text.
        if (offset === 1) throw { message: { reason: 'out of cake' } };
      },
    });
    await harness.until('all is done with', () => processed(engine)[0] === 3);
    expect(lines.filter((line) => line.startsWith('warn'))).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^warn The handler failed at offset 1 .*: {"reason":"out of cake"}; trying again in \d+ ms$/,
    );
    expect(lines.at(-1)).toMatch(/^error The record at offset 1 of .* was sent to "dead".*out of cake/);
    expect(engine.handling).toEqual({ handlerFailures: 3, handlerRetries: 2, deadLetters: 1 });
    await engine.close();
    await done;
  });

  it('says at the start that the topic for dead letters is missing', async () => {
    const harness = newHarness();
    filled(harness, 1, 1);
    const lines: string[] = [];
    const engine = assigned(harness, 1, { logger: recording(lines) });
    const done = run(engine, { deadLetterTopic: 'dead', deadLetter: { send: async () => {} }, eachRecord() {} });
    await harness.until('it is told', () => lines.length > 0);
    expect(lines[0]).toMatch(/^warn There is no topic "dead" for dead letters/);
    expect(harness.cluster.topics.has('dead')).toBe(false);
    await engine.close();
    await done;
  });
});
