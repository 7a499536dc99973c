import { defaultLogConfig } from '@millrace/log';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brokerConfigNames, parseBrokerConfig } from './broker-config.ts';
import { brokerDefinitions } from './broker-definitions.ts';
import type { ConfigTable } from './definition.ts';
import { toLogConfig, topicConfigFault, topicConfigNames, topicDefaults, withOverrides } from './topic-config.ts';
import { topicConfigSynonyms, topicDefinitions } from './topic-definitions.ts';
import { formatConfigValue, parseConfigValue } from './values.ts';

const read = (properties: Record<string, string>) => parseBrokerConfig(properties);
const messages = (properties: Record<string, string>): string[] =>
  read(properties).problems.map((problem) => problem.message);

/** A listener where PLAIN logs in. */
const withPlain = (
  listeners: string,
  protocol = listeners.slice(0, listeners.indexOf(':')),
): Record<string, string> => ({
  listeners,
  'security.inter.broker.protocol': protocol,
  [`listener.name.${protocol.toLowerCase()}.plain.sasl.jaas.config`]:
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="x";',
  [`listener.name.${protocol.toLowerCase()}.scram-sha-512.sasl.jaas.config`]:
    'org.apache.kafka.common.security.scram.ScramLoginModule required username="b" password="x";',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
  'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
});

describe('the settings of a broker', () => {
  it('need nothing', () => {
    const { config, problems, warnings } = read({});
    expect([problems, warnings]).toEqual([[], []]);
    expect(config).toMatchObject({
      brokerId: 1,
      numPartitions: 1,
      logDirs: ['data'],
      endpoints: [{ name: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: '', port: 9092 }],
      advertisedEndpoints: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092 }],
      interBrokerListenerName: 'PLAINTEXT',
      offsetsTopicNumPartitions: 50,
      logFlushIntervalMessages: 1,
    });
    expect(toLogConfig(config.topicDefaults)).toEqual(defaultLogConfig);
  });

  it('take the older bound of timestamps for both directions where those have none of their own', () => {
    const bounds = (properties: Record<string, string>) => {
      const { messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs } = toLogConfig(
        read(properties).config.topicDefaults,
      );
      return [messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs];
    };
    expect(bounds({ 'log.message.timestamp.difference.max.ms': '5' })).toEqual([5, 5]);
    const both = { 'log.message.timestamp.difference.max.ms': '5', 'log.message.timestamp.after.max.ms': '7' };
    expect(bounds(both)).toEqual([5, 7]);
  });

  it('are read by type', () => {
    const { config } = read({
      'broker.id': ' 7 ',
      'auto.create.topics.enable': 'FALSE',
      'log.dirs': '/a, /b',
      'log.cleaner.min.cleanable.ratio': '0.25',
      'log.flush.interval.messages': '9223372036854775807',
    });
    expect(config).toMatchObject({
      brokerId: 7,
      autoCreateTopicsEnable: false,
      logDirs: ['/a', '/b'],
      logCleanerMinCleanableRatio: 0.25,
      logFlushIntervalMessages: Number.POSITIVE_INFINITY,
    });
  });

  it('name the broker once: broker.id and node.id are the same number, or only one of them is given', () => {
    const idOf = (properties: Record<string, string>): number => read(properties).config.brokerId;
    expect(idOf({ 'broker.id': '7', 'node.id': '7' })).toBe(7);
    expect(idOf({ 'broker.id': '-1', 'node.id': '7' })).toBe(7);
    expect(messages({ 'broker.id': '7', 'node.id': '7' })).toEqual([]);
    expect(messages({ 'broker.id': '-1', 'node.id': '7' })).toEqual([]);
    expect(messages({ 'broker.id': '1', 'node.id': '7' })).toEqual([
      'node.id=7 and broker.id=1 are two names of one number. Give both the same value, or leave one out.',
    ]);
  });

  it('say what is wrong with a value in the words of Kafka', () => {
    expect(
      messages({
        'num.partitions': '0',
        'message.max.bytes': '1e6',
        'delete.topic.enable': 'yes',
        'compression.type': 'brotli',
        'log.cleaner.min.cleanable.ratio': '1.5',
        'broker.rack': 'a',
        'socket.request.max.bytes': '2147483648',
      }),
    ).toEqual([
      'Invalid value 0 for configuration num.partitions: Value must be at least 1',
      'Invalid value 1e6 for configuration message.max.bytes: Not a number of type INT',
      'Invalid value yes for configuration delete.topic.enable: Expected value to be either true or false',
      'Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer',
      'Invalid value 1.5 for configuration log.cleaner.min.cleanable.ratio: Value must be no more than 1',
      'Invalid value 2147483648 for configuration socket.request.max.bytes: Not a number of type INT',
    ]);
  });

  it('name the nearest known setting for one that is misspelt, and know what belongs to others', () => {
    expect(
      read({ 'log.retention.hour': '1', 'confluent.support.id': 'x', 'something.else.entirely': '' }).warnings,
    ).toEqual([
      expect.objectContaining({
        code: 'UNKNOWN_CONFIG',
        message: expect.stringContaining('Did you mean log.retention.hours?'),
      }),
      expect.objectContaining({ code: 'UNUSED_CONFIG', name: 'confluent.support.id' }),
      expect.objectContaining({ code: 'UNKNOWN_CONFIG', message: expect.not.stringContaining('Did you mean') }),
    ]);
  });

  it.each([
    ['authoriser.class.name', 'authorizer.class.name'],
    ['super.user', 'super.users'],
    ['listener', 'listeners'],
    ['inter.broker.listeners.name', 'inter.broker.listener.name'],
    ['max.connection', 'max.connections'],
    ['allow.everyone.if.no.acls.found', 'allow.everyone.if.no.acl.found'],
  ])('do not let a broker start with %s, which was meant to keep somebody out', (name, meant) => {
    const { problems, warnings } = read({ [name]: 'x' });
    expect(warnings).toEqual([]);
    expect(problems).toEqual([expect.objectContaining({ message: expect.stringContaining(`Did you mean ${meant}?`) })]);
  });

  it.each([
    [{ 'ssl.client.auth': 'required' }, 'no listener uses TLS, so that nothing is encrypted'],
    [{ 'ssl.keystore.location': '/key.pem' }, 'no listener uses TLS'],
    [{ 'listener.name.plaintext.ssl.client.auth': 'required' }, 'the listener PLAINTEXT does not use TLS'],
    [{ 'sasl.enabled.mechanisms': 'PLAIN' }, 'no listener asks for a login, so that everybody is let in'],
    [{ 'listener.name.plaintext.sasl.enabled.mechanisms': 'PLAIN' }, 'PLAINTEXT does not ask for a login'],
    [{ 'listener.name.plaintext.plain.sasl.jaas.config': 'x required;' }, 'PLAINTEXT does not ask for a login'],
    [{ 'sasl.oauthbearer.expected.issuer': 'https://login.example' }, 'no listener asks for a login'],
  ] as [Record<string, string>, string][])('refuse %o, which no listener can honour', (properties, why) => {
    const [name] = Object.keys(properties);
    const { problems } = read(properties);
    expect(problems).toEqual([expect.objectContaining({ name, message: expect.stringContaining(why) })]);
    expect(problems[0]?.message).toMatch(/is not honoured: .*\. Give a listener .*, or remove it\.$/);
  });

  it('refuse what a listener’s own kind cannot honour, whatever another can', () => {
    const { problems } = read({
      ...withPlain('PLAINTEXT://:9092,SASL_PLAINTEXT://127.0.0.1:9093', 'SASL_PLAINTEXT'),
      'listener.name.plaintext.sasl.enabled.mechanisms': 'PLAIN',
    });
    expect(problems.map(({ name }) => name)).toEqual(['listener.name.plaintext.sasl.enabled.mechanisms']);
  });

  it.each([
    [{ 'sasl.mechanism.inter.broker.protocol': 'PLAIN' }, 'no listener asks for a login'],
    [{ 'connections.max.reauth.ms': '1000' }, 'no listener asks for a login'],
    [{ 'zookeeper.set.acl': 'true' }, 'this broker keeps its own metadata'],
    [{ 'zookeeper.ssl.client.enable': 'true' }, 'this broker keeps its own metadata'],
    [
      { 'password.encoder.secret': 'x' },
      'no listener uses TLS, and the passwords of certificates are all that is stored',
    ],
    [{ 'delegation.token.secret.key': '' }, 'so that there are no delegation tokens'],
    [{ 'delegation.token.master.key': ' ' }, 'so that there are no delegation tokens'],
  ] as [Record<string, string>, string][])('tell of %o, which promises safety that is not there', (properties, why) => {
    const { problems, warnings } = read(properties);
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.objectContaining({ code: 'UNUSED_CONFIG', name: Object.keys(properties)[0] })]);
    expect(warnings[0]?.message).toContain(why);
  });

  it.each(['', '0.0.0.0', '10.0.0.1', 'broker.example.org', '[::]'])(
    'tell of passwords that PLAIN sends in the clear from elsewhere, to %j',
    (host) => {
      const { problems, warnings } = read(withPlain(`SASL_PLAINTEXT://${host}:9092`));
      expect(problems).toEqual([]);
      expect(warnings).toEqual([
        {
          code: 'UNSAFE_CONFIG',
          name: 'sasl.enabled.mechanisms',
          message: expect.stringContaining('PLAIN on the listener SASL_PLAINTEXT sends passwords'),
        },
      ]);
    },
  );

  it('say nothing of PLAIN on this machine alone, with TLS, or of SCRAM', () => {
    const silent = { problems: [], warnings: [] };
    for (const host of ['127.0.0.1', '127.0.0.2', '[::1]', 'localhost']) {
      expect(read(withPlain(`SASL_PLAINTEXT://${host}:9092`))).toMatchObject(silent);
    }
    expect(read({ ...withPlain('SASL_SSL://:9093'), 'ssl.keystore.location': '/key.pem' })).toMatchObject(silent);
    const scram = { ...withPlain('SASL_PLAINTEXT://:9092'), 'sasl.enabled.mechanisms': 'SCRAM-SHA-512' };
    expect(read(scram)).toMatchObject(silent);
  });

  it('tell of tokens whose issuer and audience nobody looks at, or that nobody has signed', () => {
    const withTokens = (settings: Record<string, string>): string[] => {
      const { problems, warnings } = read({
        'listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config':
          'org.apache.kafka.common.security.scram.ScramLoginModule required username="b" password="x";',
        listeners: 'SASL_PLAINTEXT://:9092',
        'security.inter.broker.protocol': 'SASL_PLAINTEXT',
        'sasl.enabled.mechanisms': 'OAUTHBEARER,SCRAM-SHA-512',
        'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
        ...settings,
      });
      expect(problems).toEqual([]);
      return warnings.map(({ code, name }) => `${code} ${name}`);
    };
    const keys = { 'sasl.oauthbearer.jwks.endpoint.url': 'https://provider.test/keys' };
    const issuer = { 'sasl.oauthbearer.expected.issuer': 'https://provider.test' };
    const audience = { 'sasl.oauthbearer.expected.audience': 'kafka' };
    expect(withTokens(keys)).toEqual([
      'UNSAFE_CONFIG sasl.oauthbearer.expected.issuer',
      'UNSAFE_CONFIG sasl.oauthbearer.expected.audience',
    ]);
    expect(withTokens({ ...keys, ...issuer })).toEqual(['UNSAFE_CONFIG sasl.oauthbearer.expected.audience']);
    expect(withTokens({ ...keys, ...issuer, ...audience })).toEqual([]);
    const unsecured =
      'org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler';
    expect(
      withTokens({ 'listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class': unsecured }),
    ).toEqual(['UNSAFE_CONFIG sasl.server.callback.handler.class']);
  });

  it('say so where a listener is to have the controller’s word to itself, which it has not', () => {
    const listeners = 'PLAINTEXT://:9092,CONTROL://:9093';
    const own = { listeners, 'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROL:PLAINTEXT' };
    const { config, problems, warnings } = read({ ...own, 'control.plane.listener.name': 'CONTROL' });
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.objectContaining({ name: 'control.plane.listener.name' })]);
    expect(config.endpoints.map(({ name }) => name)).toEqual(['PLAINTEXT', 'CONTROL']);
    expect(read({ ...own, 'control.plane.listener.name': '' }).warnings).toEqual([]);
  });

  it('pass over in silence what asks for nothing, or is used', () => {
    expect(
      read({ 'ssl.client.auth': 'none', 'zookeeper.set.acl': 'false', 'ssl.keystore.location': '' }).warnings,
    ).toEqual([]);
    const secured = {
      listeners: 'SSL://:9093,PLAINTEXT://:9092',
      'ssl.keystore.location': '/key.pem',
      'zookeeper.connect': 'a:2181',
      'zookeeper.set.acl': 'true',
    };
    expect(read(secured).warnings).toEqual([]);
  });

  it('that cannot be listened on are told of once, whatever else hangs on them', () => {
    expect(
      messages({
        listeners: 'foo',
        'advertised.listeners': 'PLAINTEXT://a:1',
        'inter.broker.listener.name': 'PLAINTEXT',
        'listener.name.plaintext.ssl.client.auth': 'required',
      }),
    ).toEqual([expect.stringMatching(/^Invalid value foo for configuration listeners: a listener is NAME/)]);
  });

  it('keep what Kafka knows and this broker does not use, and check it', () => {
    const { config, problems, warnings } = read({ 'remote.log.reader.threads': '5', 'telemetry.max.bytes': '10' });
    expect([problems, warnings]).toEqual([[], []]);
    expect(config.properties).toMatchObject({ 'remote.log.reader.threads': '5' });
    expect(messages({ 'remote.log.reader.threads': '0' })).toEqual([
      'Invalid value 0 for configuration remote.log.reader.threads: Value must be at least 1',
    ]);
  });

  it('read listeners with names, IPv6 and ports that the system chooses', () => {
    const { config, problems } = read({
      listeners: 'internal://127.0.0.1:0,EXTERNAL://[::1]:19092',
      'advertised.listeners': 'INTERNAL://kafka:9092,EXTERNAL://example.org:443',
      'listener.security.protocol.map': 'INTERNAL:PLAINTEXT,EXTERNAL:SSL',
      'inter.broker.listener.name': 'INTERNAL',
    });
    expect(problems).toEqual([]);
    expect(config.endpoints).toEqual([
      { name: 'INTERNAL', securityProtocol: 'PLAINTEXT', host: '127.0.0.1', port: 0 },
      { name: 'EXTERNAL', securityProtocol: 'SSL', host: '::1', port: 19092 },
    ]);
    expect(config.advertisedEndpoints.map(({ host, port }) => `${host}:${port}`)).toEqual([
      'kafka:9092',
      'example.org:443',
    ]);
  });

  it.each([
    [{ listeners: 'localhost:9092' }, 'a listener is NAME://host:port'],
    [{ listeners: 'PLAINTEXT://:99999' }, 'a listener is NAME://host:port'],
    [{ listeners: '' }, 'listeners must name at least one listener'],
    [{ listeners: 'FOO://:1' }, 'No security protocol defined for listener FOO'],
    [{ listeners: 'PLAINTEXT://:1,SSL://:1' }, 'Each listener must have a different port'],
    [{ listeners: 'PLAINTEXT://:1,PLAINTEXT://:2' }, 'Each listener must have a different name'],
    [{ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' }, 'cannot use the nonroutable meta-address 0.0.0.0'],
    [{ 'advertised.listeners': 'SSL://a:9092' }, 'a subset of the ones defined in listeners'],
    [{ 'listener.security.protocol.map': 'PLAINTEXT:TLS' }, 'security protocol TLS'],
    [{ 'inter.broker.listener.name': 'X' }, 'must be a listener name defined in listeners'],
    [
      {
        listeners: 'PLAINTEXT://:9092,INTERNAL://:9093',
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT',
        'advertised.listeners': 'PLAINTEXT://a:9092',
        'inter.broker.listener.name': 'INTERNAL',
      },
      'must be a listener name defined in advertised.listeners: INTERNAL is not there. The valid options based on currently configured listeners are PLAINTEXT',
    ],
    [
      { listeners: 'PLAINTEXT://:9092,SSL://:9093', 'advertised.listeners': 'SSL://a:9093' },
      'must be a listener name defined in advertised.listeners: PLAINTEXT is not there',
    ],
    [
      { 'connection.failed.authentication.delay.ms': '600000' },
      'connection.failed.authentication.delay.ms=600000 should always be less than connections.max.idle.ms=600000',
    ],
    [
      { 'connections.max.idle.ms': '100' },
      'connection.failed.authentication.delay.ms=100 should always be less than connections.max.idle.ms=100',
    ],
    [{ 'log.dirs': 'a,,b' }, 'log.dirs must name at least one folder'],
    [{ 'log.dirs': '/a,/b,/c/../a/' }, 'log.dirs names /c/../a/ twice'],
    [{ 'log.dirs': '/a/t-0,/ab,/a' }, 'log.dirs names /a/t-0/, which lies in /a/'],
    [{ 'queued.max.request.bytes': '10' }, 'queued.max.request.bytes must be larger or equal'],
  ])('refuse %o', (properties, message) => {
    expect(messages(properties).join('\n')).toContain(message);
  });

  it('take a listener among brokers that is advertised, and idle connections that are never closed', () => {
    const one = read({
      listeners: 'A://:9092,B://:9093',
      'listener.security.protocol.map': 'A:PLAINTEXT,B:PLAINTEXT',
      'advertised.listeners': 'B://b:9093',
    });
    expect([one.problems, one.config.interBrokerListenerName]).toEqual([[], 'B']);
    const never = { 'connections.max.idle.ms': '-1', 'connection.failed.authentication.delay.ms': '700000' };
    expect(messages(never)).toEqual([]);
    expect(messages({ 'connections.max.idle.ms': '101' })).toEqual([]);
  });

  it('let the finer of two units win', () => {
    const retention = (properties: Record<string, string>) => read(properties).config.topicDefaults.retentionMs;
    expect(retention({ 'log.retention.hours': '2' })).toBe(7_200_000);
    expect(retention({ 'log.retention.hours': '2', 'log.retention.minutes': '3' })).toBe(180_000);
    expect(retention({ 'log.retention.hours': '2', 'log.retention.minutes': '3', 'log.retention.ms': '4' })).toBe(4);
    expect(retention({ 'log.retention.hours': '-1' })).toBe(-1);
  });

  it('never throw, whatever they hold', () => {
    const name = fc.oneof(fc.constantFrom(...brokerConfigNames), fc.string());
    fc.assert(
      fc.property(fc.dictionary(name, fc.string()), (properties) => {
        expect(read(properties).config.brokerId).toBeTypeOf('number');
      }),
    );
  });

  it('have defaults that their own checks admit and that read back from their text', () => {
    for (const table of [brokerDefinitions, topicDefinitions] as ConfigTable[]) {
      for (const [name, definition] of Object.entries(table)) {
        if (definition.defaultValue === null) continue;
        const text = formatConfigValue(definition.type, definition.defaultValue);
        expect(parseConfigValue(name, definition, text)).toEqual({ value: definition.defaultValue });
      }
    }
  });
});

describe('the configs of topics', () => {
  const defaults = topicDefaults(() => undefined);

  it('have synonyms that are broker configs of the same type', () => {
    for (const name of topicConfigNames) {
      for (const synonym of topicConfigSynonyms[name] ?? []) {
        const definition = (brokerDefinitions as ConfigTable)[synonym.name];
        expect(definition, synonym.name).toBeDefined();
        if (synonym.multiplier === 1) expect(definition?.type).toBe(topicDefinitions[name].type);
      }
    }
  });

  it('override the broker’s defaults', () => {
    const values = withOverrides(defaults, {
      'retention.ms': '5',
      'cleanup.policy': 'compact,delete',
      'compression.type': 'gzip',
    });
    expect(toLogConfig(values)).toEqual({
      ...defaultLogConfig,
      retentionMs: 5,
      cleanupPolicy: ['compact', 'delete'],
      compressionType: 'gzip',
    });
  });

  it.each([
    [{ 'no.such': '1' }, 'Unknown topic config name: no.such'],
    [{ constructor: '1' }, 'Unknown topic config name: constructor'],
    [{ 'retention.ms': 'x' }, 'Invalid value x for configuration retention.ms: Not a number of type LONG'],
    [
      { 'cleanup.policy': 'keep' },
      'Invalid value keep for configuration cleanup.policy: String must be one of: compact, delete',
    ],
    [
      { 'min.compaction.lag.ms': '2', 'max.compaction.lag.ms': '1' },
      'conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)',
    ],
    [{ 'segment.bytes': '14' }, undefined],
  ])('are checked as Kafka does: %o', (overrides, fault) => {
    expect(topicConfigFault(overrides as Record<string, string>, defaults)).toBe(fault);
  });
});
