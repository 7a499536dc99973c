import { type BrokerConfig, parseBrokerConfig } from '@millrace/broker';
import { describe, expect, it } from 'vitest';
import { memberPorts, memberSettings } from './member-settings.ts';

function configOf(settings: Readonly<Record<string, string>>): BrokerConfig {
  const { config, problems } = parseBrokerConfig(settings);
  expect(problems).toEqual([]);
  return config;
}

function membersOf(
  settings: Readonly<Record<string, string>>,
  brokers: number,
  httpPort: number | null = 9644,
): Readonly<Record<string, string>>[] {
  const plan = {
    config: configOf(settings),
    overrides: settings,
    given: new Set(Object.keys(settings)),
    httpPort: httpPort ?? undefined,
    brokers,
  };
  return memberSettings({ ...plan, metadataSocket: '/run/m.sock' }).map(({ overrides }) => overrides);
}

describe('the brokers of a local cluster', () => {
  it('have ids from 1, ports that follow one another, and folders below the first', () => {
    const members = membersOf({ 'log.dirs': '/a,/b', listeners: 'PLAINTEXT://localhost:9092' }, 3);
    expect(
      members.map((each) => [each['broker.id'], each['listeners'], each['log.dirs'], each['millrace.http.port']]),
    ).toEqual([
      ['1', 'PLAINTEXT://localhost:9092', '/a,/b', '9644'],
      ['2', 'PLAINTEXT://localhost:9093', '/a/__millrace_broker_2,/b/__millrace_broker_2', '9645'],
      ['3', 'PLAINTEXT://localhost:9094', '/a/__millrace_broker_3,/b/__millrace_broker_3', '9646'],
    ]);
  });

  it('have what was set on the line, each of them', () => {
    const members = membersOf({ 'log.retention.hours': '1', listeners: 'PLAINTEXT://localhost:9092' }, 2);
    expect(members.map((each) => each['log.retention.hours'])).toEqual(['1', '1']);
    expect(members[1]?.['listeners']).toBe('PLAINTEXT://localhost:9093');
  });

  it('have numbers of their own where node.id was set for one broker', () => {
    const members = membersOf({ 'node.id': '1', listeners: 'PLAINTEXT://:0' }, 2);
    expect(members.map((each) => [each['broker.id'], each['node.id']])).toEqual([
      ['1', '1'],
      ['2', '2'],
    ]);
  });

  it('step by as many ports as there are listeners, advertised ones too', () => {
    const listeners = 'IN://127.0.0.1:9092,OUT://[::1]:9093';
    const settings = {
      listeners,
      'advertised.listeners': 'IN://127.0.0.1:9092,OUT://broker.example:19093',
      'listener.security.protocol.map': 'IN:PLAINTEXT,OUT:PLAINTEXT',
      'inter.broker.listener.name': 'IN',
    };
    const [, second] = membersOf(settings, 2);
    expect(second?.['listeners']).toBe('IN://127.0.0.1:9094,OUT://[::1]:9095');
    expect(second?.['advertised.listeners']).toBe('IN://127.0.0.1:9094,OUT://broker.example:19095');
  });

  it('let the system choose all ports where it chooses the first', () => {
    const members = membersOf({ listeners: 'PLAINTEXT://localhost:0' }, 2, 0);
    expect(members.map((each) => [each['listeners'], each['millrace.http.port']])).toEqual([
      ['PLAINTEXT://localhost:0', '0'],
      ['PLAINTEXT://localhost:0', '0'],
    ]);
    expect(membersOf({}, 2, null)[1]?.['millrace.http.port']).toBe('');
  });

  it.each([
    [2, '2', '1'],
    [3, '3', '2'],
    [5, '3', '2'],
  ])('of which there are %i keep %s replicas, %s of them in sync', (brokers, factor, inSync) => {
    const [first] = membersOf({}, brokers);
    expect(first).toMatchObject({
      'default.replication.factor': factor,
      'min.insync.replicas': inSync,
      'offsets.topic.replication.factor': factor,
      'transaction.state.log.min.isr': inSync,
    });
  });

  it('keep what somebody has set', () => {
    const [first] = membersOf({ 'default.replication.factor': '1', 'zookeeper.session.timeout.ms': '900' }, 3);
    expect(first?.['default.replication.factor']).toBe('1');
    expect(first?.['zookeeper.session.timeout.ms']).toBe('900');
  });
});

describe('the ports of the brokers of a local cluster', () => {
  it('are those of their listeners and of metrics, without those that the system chooses', () => {
    const config = configOf({
      listeners: 'IN://127.0.0.1:9092,OUT://:0',
      'listener.security.protocol.map': 'IN:PLAINTEXT,OUT:PLAINTEXT',
      'inter.broker.listener.name': 'IN',
    });
    const ports = memberPorts({ config, httpPort: 9644, brokers: 2 }, '127.0.0.1');
    expect(ports.map(({ brokerId, host, port }) => [brokerId, host, port])).toEqual([
      [1, '127.0.0.1', 9092],
      [1, '127.0.0.1', 9644],
      [2, '127.0.0.1', 9094],
      [2, '127.0.0.1', 9645],
    ]);
  });
});
