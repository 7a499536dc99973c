import { parseBrokerConfig } from '@millrace/broker';
import { describe, expect, it } from 'vitest';
import { refusePortClashes } from './port-clashes.ts';

const TWO = {
  'listener.security.protocol.map': 'IN:PLAINTEXT,OUT:PLAINTEXT',
  'inter.broker.listener.name': 'IN',
};

function judge(
  settings: Readonly<Record<string, string>>,
  how: { readonly brokers?: number; readonly httpPort?: number; readonly hasSite?: boolean } = {},
): string {
  const { config, problems } = parseBrokerConfig(settings);
  expect(problems).toEqual([]);
  const { brokers = 3, httpPort = 9644, hasSite = true } = how;
  try {
    refusePortClashes({ config, httpPort, brokers, httpHost: undefined, hasSite });
    return 'none';
  } catch (error) {
    expect(error).toMatchObject({ code: 'START_CONFIG_INVALID', exitCode: 78 });
    return (error as Error).message;
  }
}

describe('the ports of all brokers of a local cluster', () => {
  it.each([
    ['listeners on ports that follow one another', { ...TWO, listeners: 'IN://:9092,OUT://:9093' }, {}],
    ['listeners far apart', { ...TWO, listeners: 'IN://:9092,OUT://:9192' }, {}],
    ['the same ports on other addresses', { ...TWO, listeners: 'IN://127.0.0.1:9092,OUT://127.0.0.2:9094' }, {}],
    ['ports that the system chooses', { ...TWO, listeners: 'IN://:0,OUT://:0' }, { httpPort: 0 }],
    [
      'listeners of one broker behind one address',
      { ...TWO, listeners: 'IN://:9092,OUT://:9093', 'advertised.listeners': 'IN://h:9092,OUT://h:9092' },
      {},
    ],
    ['metrics beside the listeners', { listeners: 'PLAINTEXT://:9092' }, { httpPort: 9095 }],
  ])('do not meet with %s', (_, settings, how) => {
    expect(judge(settings, how)).toBe('none');
  });

  it('meet where the second listener is on a port of the next broker, which is said with what to do', () => {
    expect(judge({ ...TWO, listeners: 'IN://localhost:9092,OUT://127.0.0.1:9094' })).toBe(
      'Listener OUT of broker 1 and listener IN of broker 2 would both be on port 9094. ' +
        "What is set is the first broker's, and each of the other 2 takes those 2 further, for there are 2 listeners. " +
        'Choose ports in listeners (--port), advertised.listeners and millrace.http.port (--http-port) that leave room for that: ' +
        'those of several listeners one behind the other, or far apart',
    );
  });

  it.each([
    [
      'metrics meet a listener',
      { listeners: 'PLAINTEXT://127.0.0.1:9092' },
      { httpPort: 9093 },
      'Metrics and health (millrace.http.port) of broker 1 and listener PLAINTEXT of broker 2 would both be on port 9093',
    ],
    [
      'the console meets a listener',
      { listeners: 'PLAINTEXT://:9092' },
      { httpPort: 9089 },
      'Listener PLAINTEXT of broker 1 and the console would both be on port 9092',
    ],
    [
      'clients would take one broker for the other',
      { ...TWO, listeners: 'IN://:9092,OUT://:9093', 'advertised.listeners': 'IN://h:9092,OUT://H:9094' },
      {},
      'Advertised listener OUT of broker 1 and advertised listener IN of broker 2 would both be on port 9094',
    ],
    [
      'there are no more ports',
      { listeners: 'PLAINTEXT://:65534' },
      {},
      'Listener PLAINTEXT of broker 3 would be on port 65536, and there are 65535',
    ],
  ])('are refused where %s', (_, settings, how, said) => {
    expect(judge(settings, how)).toContain(`${said}. What is set`);
  });
});
