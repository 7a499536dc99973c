import { describe, expect, it } from 'vitest';
import { withListenerDefaults } from './listener-defaults.ts';

function listenersOf(settings: Record<string, string>, port?: number): (string | undefined)[] {
  const completed = withListenerDefaults(new Map(Object.entries(settings)), port);
  return [completed.get('listeners'), completed.get('advertised.listeners')];
}

describe('what a broker listens on', () => {
  it('is this machine alone where nothing is said', () => {
    expect(listenersOf({})).toEqual(['PLAINTEXT://127.0.0.1:9092', 'PLAINTEXT://localhost:9092']);
    expect(listenersOf({ listeners: ' ', 'advertised.listeners': '' }, 0)).toEqual([
      'PLAINTEXT://127.0.0.1:0',
      'PLAINTEXT://localhost:0',
    ]);
  });

  it('is every interface at the ports that are advertised', () => {
    const advertised = 'IN://broker:9092, OUT://[2001:db8::1]:29092';
    expect(listenersOf({ 'advertised.listeners': advertised })).toEqual(['IN://:9092, OUT://:29092', advertised]);
    expect(listenersOf({ 'advertised.listeners': 'PLAINTEXT://broker:29092' }, 9092)).toEqual([
      'PLAINTEXT://:9092',
      'PLAINTEXT://broker:29092',
    ]);
  });

  it('is what listeners say, but for a port that is asked for', () => {
    expect(listenersOf({ listeners: 'PLAINTEXT://0.0.0.0:9192' })).toEqual(['PLAINTEXT://0.0.0.0:9192', undefined]);
    expect(listenersOf({ listeners: 'PLAINTEXT://0.0.0.0:9192' }, 9999)).toEqual([
      'PLAINTEXT://0.0.0.0:9999',
      undefined,
    ]);
  });

  it.each([
    ['SSL://:9093', 'SSL://:0'],
    ['SASL_SSL://broker:9093', 'SASL_SSL://broker:0'],
    ['inside://[2001:db8::1]:9093 ,', 'inside://[2001:db8::1]:0'],
  ])('is as secured at another port as it was: %s', (listeners, moved) => {
    expect(listenersOf({ listeners }, 0)).toEqual([moved, undefined]);
    expect(listenersOf({ 'advertised.listeners': listeners }, 0)[0]).toBe(moved.replace(/\/\/.*:/, '//:'));
  });

  it('is at another port than the controller, whose listener is not opened', () => {
    const kraft = { 'process.roles': 'broker,controller', 'controller.listener.names': 'CTL' };
    const listeners = 'PLAINTEXT://:9092,CTL://:9093';
    expect(listenersOf({ ...kraft, listeners }, 9999)[0]).toBe('PLAINTEXT://:9999,CTL://:9093');
    expect(
      listenersOf({ 'process.roles': 'broker,controller', listeners: 'PLAINTEXT://:1,CONTROLLER://:2' }, 3)[0],
    ).toBe('PLAINTEXT://:3,CONTROLLER://:2');
  });

  it('is not told by a port that says nothing of which listener it is', () => {
    const several = 'SSL://:9093,SASL_SSL://:9094';
    const refused = { code: 'START_CONFIG_INVALID', message: expect.stringContaining('set their ports in listeners') };
    expect(() => listenersOf({ listeners: several }, 9999)).toThrow(expect.objectContaining(refused));
    expect(() => listenersOf({ 'advertised.listeners': several }, 9999)).toThrow(expect.objectContaining(refused));
  });

  it('is not another port than clients are sent to', () => {
    const both = { listeners: 'SSL://:9093', 'advertised.listeners': 'SSL://broker:9093' };
    expect(() => listenersOf(both, 9999)).toThrow(/sends clients to SSL:\/\/broker:9093.*set the port in both/);
    expect(listenersOf(both, 9093)).toEqual(['SSL://:9093', 'SSL://broker:9093']);
    // Somebody leads from that port to this one.
    const led = { ...both, 'advertised.listeners': 'SSL://broker:443' };
    expect(listenersOf(led, 9999)).toEqual(['SSL://:9999', 'SSL://broker:443']);
  });

  it('is left to be told of where it cannot be read', () => {
    expect(listenersOf({ listeners: 'nonsense' }, 9999)).toEqual(['nonsense', undefined]);
  });
});
