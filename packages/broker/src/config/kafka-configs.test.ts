/** The tables of configs are held against what Apache Kafka 3.9.1 states. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { brokerConfigTable, brokerDefinitions } from './broker-definitions.ts';
import type { ConfigTable } from './definition.ts';
import { keptDefinitions } from './kept-definitions.ts';
import { topicDefinitions } from './topic-definitions.ts';
import { formatConfigValue } from './values.ts';

interface KafkaConfig {
  readonly name: string;
  readonly type: string;
  readonly defaultValue: string | null;
  readonly mode: string;
  readonly isInternal: boolean;
}

function kafkaConfigs(kind: 'broker' | 'topic'): readonly KafkaConfig[] {
  const lines = readFileSync(new URL('fixtures/kafka-3.9.1-configs.tsv', import.meta.url), 'utf8').split('\n');
  return lines
    .map((line) => line.split('\t'))
    .filter(([first]) => first === kind)
    .map(([, name = '', type = '', text = '', mode = '']) => ({
      name,
      type,
      defaultValue: text === '-' ? null : text === "''" ? '' : text,
      mode: mode.replace(' internal', ''),
      isInternal: mode.endsWith('internal'),
    }));
}

/** Defaults that differ on purpose; the page on what is compatible says why. */
const OTHER_DEFAULTS = [
  'flush.messages',
  'log.dir',
  'log.flush.interval.messages',
  'node.id',
  'socket.listen.backlog.size',
];

/** What Kafka takes up while it runs and this broker does not: where it listens, and security, which it does not serve. */
const FIXED_HERE =
  /^(ssl\.|sasl\.|listeners$|advertised\.listeners$|listener\.security\.protocol\.map$|principal\.builder\.class$)/;

const tables: readonly ['broker' | 'topic', ConfigTable][] = [
  ['broker', brokerConfigTable],
  ['topic', topicDefinitions],
];

describe.each(tables)('the %s configs', (kind, table) => {
  const kafka = kafkaConfigs(kind);

  it('are those of Kafka 3.9, cluster.id, and what Kafka lets be set without describing it', () => {
    const names = kafka.map(({ name }) => name);
    const throttles = [
      'leader.replication.throttled.rate',
      'follower.replication.throttled.rate',
      'replica.alter.log.dirs.io.max.bytes.per.second',
    ];
    const ofAuthorizers = ['super.users', 'allow.everyone.if.no.acl.found'];
    if (kind === 'broker') names.push('cluster.id', ...throttles, ...ofAuthorizers);
    expect(Object.keys(table).toSorted()).toEqual(names.toSorted());
  });

  it('have the types that Kafka describes, and are internal where they are there', () => {
    const differing = kafka.filter(({ name, type, isInternal }) => {
      const definition = table[name];
      return (
        (definition?.describedType ?? definition?.type) !== type || (definition?.isInternal ?? false) !== isInternal
      );
    });
    expect(differing).toEqual([]);
  });

  it('have the defaults of Kafka, but for those that differ on purpose', () => {
    const differing = kafka.filter(({ name, defaultValue }) => {
      const definition = table[name];
      if (definition === undefined || definition.defaultValue === null) return defaultValue !== null;
      return formatConfigValue(definition.type, definition.defaultValue) !== defaultValue;
    });
    expect(differing.map(({ name }) => name)).toEqual(OTHER_DEFAULTS.filter((name) => Object.hasOwn(table, name)));
  });

  it('can be changed while the broker runs where they can in Kafka', () => {
    const differing = kafka.filter(({ name, mode }) => kind === 'broker' && table[name]?.updateMode !== mode);
    expect(differing.filter(({ name }) => !FIXED_HERE.test(name))).toEqual([]);
    expect(differing.map(({ name }) => table[name]?.updateMode)).toEqual(differing.map(() => 'read-only'));
  });
});

it('no config is both used and kept', () => {
  expect(Object.keys(keptDefinitions).filter((name) => Object.hasOwn(brokerDefinitions, name))).toEqual([]);
});

it('the page on what is compatible lists the defaults that differ, with both values', () => {
  const page = readFileSync(new URL('../../../../docs/compatibility.md', import.meta.url), 'utf8');
  const all = tables.flatMap(([kind, table]) => kafkaConfigs(kind).map((kafka) => ({ kafka, own: table[kafka.name] })));
  for (const name of OTHER_DEFAULTS) {
    const { kafka, own } = all.find((each) => each.kafka.name === name) ?? {};
    const here = formatConfigValue(own?.type ?? 'STRING', own?.defaultValue ?? '');
    expect(page).toContain(`| \`${name}\` | \`${here}\` | \`${kafka?.defaultValue}\` |`);
  }
});
