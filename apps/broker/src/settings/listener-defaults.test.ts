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
    expect(listenersOf({ listeners: 'PLAINTEXT://0.0.0.0:9192' }, 9999)).toEqual(['PLAINTEXT://:9999', undefined]);
  });
});
