/** Changes of brokers' settings while they run are held against what Apache Kafka 3.9.1 answered to each. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from './broker-config.ts';
import { brokerConfigFault, DynamicConfig } from './dynamic-config.ts';

interface Recorded {
  readonly text: string;
  readonly configs: Readonly<Record<string, string>>;
  readonly message: string | undefined;
}

const recorded = readFileSync(new URL('fixtures/kafka-3.9.1-changes.tsv', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line): Recorded => {
    const [text = '', code, message] = line.split('\t');
    const configs = Object.fromEntries(text.split(/ (?=[a-z.]+=)/).map((each) => each.split('=') as [string, string]));
    return { text, configs, message: code === '0' ? undefined : message };
  });

/** What Kafka takes though its rooms can do nothing with it, and is refused here. */
const REFUSED_HERE = [
  'log.cleaner.io.buffer.load.factor',
  'log.cleaner.io.max.bytes.per.second',
  'log.cleaner.min.compaction.lag.ms',
  'log.flush.interval.ms',
  'log.retention.ms',
];

/** Where other words say the same. */
const IN_OTHER_WORDS = [
  'log.cleaner.dedupe.buffer.size',
  'log.cleaner.threads',
  'log.roll.jitter.ms',
  'log.roll.ms',
  'max.connections.per.ip.overrides',
];

function faultHere(configs: Readonly<Record<string, string>>): string | undefined {
  const dynamic = new DynamicConfig(parseBrokerConfig({}).config);
  return brokerConfigFault(configs, 'default') ?? dynamic.updateFault('default', configs);
}

const namesOf = (cases: readonly Recorded[]): string[] =>
  [...new Set(cases.map(({ configs }) => Object.keys(configs)[0] as string))].toSorted();

describe('a change of the settings of running brokers', () => {
  const answers = recorded.map((each) => ({ ...each, here: faultHere(each.configs) }));

  it('is refused wherever Kafka refuses it, and beyond that only where nothing could come of it', () => {
    expect(answers.length).toBeGreaterThan(400);
    expect(answers.filter(({ message, here }) => message !== undefined && here === undefined)).toEqual([]);
    expect(namesOf(answers.filter(({ message, here }) => message === undefined && here !== undefined))).toEqual(
      REFUSED_HERE,
    );
  });

  it('is refused in the words of Kafka, but for some', () => {
    const both = answers.filter(({ message, here }) => message !== undefined && here !== undefined);
    expect(namesOf(both.filter(({ message, here }) => message !== here))).toEqual(IN_OTHER_WORDS);
  });

  it('is looked at beside what is set already', () => {
    const dynamic = new DynamicConfig(parseBrokerConfig({ 'log.cleaner.threads': '2' }).config);
    const size = { 'log.cleaner.dedupe.buffer.size': String(2 * 1024 * 1024) };
    expect(dynamic.updateFault('broker', size)).toBe(
      'requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.',
    );
    dynamic.replace('default', { 'log.cleaner.threads': '1' });
    expect(dynamic.updateFault('broker', size)).toBeUndefined();
    dynamic.replace('default', { 'log.retention.ms': '1000' });
    expect(dynamic.updateFault('broker', { 'log.local.retention.ms': '2000' })).toMatch(
      'Value must not be more than log.retention.ms property value: 1000',
    );
  });
});

describe('a broker', () => {
  it.each([
    [{ 'log.retention.ms': '0' }, 'log.retention.ms must be unlimited (-1) or, greater than or equal to 1'],
    [{ 'log.cleaner.dedupe.buffer.size': '1048576' }, 'must be at least 1MB per cleaner thread'],
    [{ 'max.connections.per.ip': '0' }, 'can be set to zero only if max.connections.per.ip.overrides property is set'],
  ] as [Record<string, string>, string][])('does not start with %o, as Kafka does not', (properties, message) => {
    expect(parseBrokerConfig(properties).problems).toEqual([
      expect.objectContaining({ message: expect.stringContaining(message) }),
    ]);
  });
});
