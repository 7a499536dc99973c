import { describe, expect, it } from 'vitest';
import { deadLetterOf } from '../../apps/console/page/src/lib/dead-letters.ts';

const headers = (of: Readonly<Record<string, string>>) =>
  Object.entries(of).map(([name, text]) => ({
    name,
    value: { shape: 'text' as const, text, bytes: text.length, isCut: false },
  }));

describe('a message that was set aside', () => {
  it.each([
    ['@millrace/consumer', 'dead-letter-', ['topic', 'partition', 'offset', 'error-name', 'error-message']],
    [
      'Kafka Connect',
      '__connect.errors.',
      ['topic', 'partition', 'offset', 'exception.class.name', 'exception.message'],
    ],
    [
      'Spring',
      'kafka_dlt-',
      ['original-topic', 'original-partition', 'original-offset', 'exception-fqcn', 'exception-message'],
    ],
  ] as const)('by %s says where it is from and why', (_who, prefix, [topic, partition, offset, name, message]) => {
    const said = { [topic]: 'orders', [partition]: '0', [offset]: '7', [name]: 'TypeError', [message]: 'no total' };
    const all = headers(Object.fromEntries(Object.entries(said).map(([each, text]) => [prefix + each, text])));
    expect(deadLetterOf(all)).toEqual({ topic: 'orders', place: 'orders 0:7', error: 'TypeError: no total', prefix });
    const [first] = all;
    expect(deadLetterOf(first === undefined ? [] : [first])).toMatchObject({ place: 'orders', error: undefined });
  });

  it('is none without a topic that it is from', () => {
    expect(deadLetterOf(headers({ 'dead-letter-offset': '7', traceparent: '00' }))).toBeUndefined();
  });
});
