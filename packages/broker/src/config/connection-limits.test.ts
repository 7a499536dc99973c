import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from './broker-config.ts';

const read = (settings: Readonly<Record<string, string>>) =>
  parseBrokerConfig({
    listeners: 'A://:1,B://:2',
    'listener.security.protocol.map': 'A:PLAINTEXT,B:PLAINTEXT',
    'inter.broker.listener.name': 'A',
    ...settings,
  });

describe('limits of connections', () => {
  it('may be set for one listener, and for single addresses of either kind', () => {
    const { config, problems } = read({
      'listener.name.a.max.connections': '7',
      'listener.name.b.max.connection.creation.rate': '3',
      'max.connections.per.ip.overrides': '10.0.0.1:5, ::1:6,[fe80::2]:7',
      'max.connection.creation.rate': '100',
    });
    expect(problems).toEqual([]);
    expect(config.maxConnectionCreationRate).toBe(100);
    expect(Object.fromEntries(config.connectionLimits.listeners)).toEqual({
      A: { connectionsMax: 7, creationRateMax: Number.POSITIVE_INFINITY },
      B: { connectionsMax: Number.POSITIVE_INFINITY, creationRateMax: 3 },
    });
    expect(Object.fromEntries(config.connectionLimits.byAddress)).toEqual({
      '10.0.0.1': 5,
      '0:0:0:0:0:0:0:1': 6,
      'fe80:0:0:0:0:0:0:2': 7,
    });
  });

  it.each([
    [{ 'max.connections.per.ip.overrides': 'localhost:5' }, /Names of hosts are not looked up/],
    [{ 'max.connections.per.ip.overrides': '10.0.0.1' }, /list of ADDRESS:COUNT/],
    [{ 'max.connections.per.ip.overrides': '10.0.0.1:-1' }, /list of ADDRESS:COUNT/],
    [{ 'listener.name.a.max.connections': '-1' }, /listener\.name\.a\.max\.connections/],
    [{ 'listener.name.c.max.connections': '1' }, /there is no listener C/],
  ])('keep the broker from starting where they cannot be meant: %o', (settings, message) => {
    expect(
      read(settings as unknown as Record<string, string>)
        .problems.map((each) => each.message)
        .join(),
    ).toMatch(message);
  });
});
