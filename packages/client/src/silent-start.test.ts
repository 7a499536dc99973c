import { ManualClock, silentLogger } from '@millrace/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerLinks } from './broker-links.ts';
import { type ClientOptions, clientSettings } from './options.ts';
import { SilentStart } from './silent-start.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

const emitWarning = process.emitWarning;
let warnings: unknown[][];

beforeEach(() => {
  warnings = [];
  process.emitWarning = ((...given: unknown[]) => void warnings.push(given)) as typeof process.emitWarning;
});

afterEach(() => {
  process.emitWarning = emitWarning;
});

describe('a program without a logger', () => {
  it('is told once, after a second, that no broker is there', () => {
    const clock = new ManualClock();
    const start = new SilentStart(clock, false);
    start.failed('Cannot connect to a:1');
    clock.advance(500);
    start.failed('Cannot connect to a:1 either');
    expect(warnings).toEqual([]);
    clock.advance(500);
    start.failed('Cannot connect to a:1 still');
    clock.advance(60_000);
    expect(warnings).toEqual([
      [
        expect.stringMatching(/^Cannot connect to a:1 either\. It is tried again until it is there/),
        { type: 'MillraceWarning', code: 'MILLRACE_BROKER_UNREACHABLE' },
      ],
    ]);
  });

  it('is told nothing where a broker is reached within that second, nor when it is lost later', () => {
    const clock = new ManualClock();
    const start = new SilentStart(clock, false);
    start.failed('Cannot connect to a:1');
    start.end();
    start.failed('Connection to a:1 was lost');
    clock.advance(60_000);
    expect(warnings).toEqual([]);
  });

  it('is told once of a broker that hangs up again and again on what it is asked first, but not of one that does so twice', () => {
    const clock = new ManualClock();
    const start = new SilentStart(clock, false);
    start.failed('Cannot connect to a:1');
    start.connected();
    start.hungUp('a:1 hung up. Does it want SASL?');
    start.hungUp('a:1 hung up. Does it want SASL?');
    clock.advance(60_000);
    expect(warnings).toEqual([]);
    for (let times = 0; times < 3; times += 1) start.hungUp('a:1 hung up. Does it want SASL?');
    const told = [expect.stringMatching(/^a:1 hung up\. Does it want SASL\? It is tried again until it is there/)];
    expect(warnings).toEqual([[...told, expect.anything()]]);
  });

  it.each<[string, Partial<ClientOptions>, boolean]>([
    ['of a broker that is away', {}, true],
    ['of none where a logger is given', { logger: silentLogger }, false],
  ])('is told %s', async (_name, options, isTold) => {
    const cluster = await ScriptedCluster.start(1);
    const [bootstrapServers = ''] = cluster.bootstrapServers;
    await cluster.stop();
    const clock = new ManualClock();
    const settings = clientSettings({ bootstrapServers, clock, ...options });
    const links = new BrokerLinks(settings);
    await expect(links.get(settings.bootstrap[0]!, 'main')).rejects.toMatchObject({ code: 'NETWORK_CONNECT_FAILED' });
    clock.advance(1_000);
    const told = [expect.stringContaining(`Cannot connect to ${bootstrapServers}`), expect.anything()];
    expect(warnings).toEqual(isTold ? [told] : []);
    await links.close();
  });

  it('is told nothing once it has closed its client', async () => {
    const clock = new ManualClock();
    const links = new BrokerLinks(clientSettings({ bootstrapServers: '127.0.0.1:1', clock }));
    await expect(links.get({ host: '127.0.0.1', port: 1 }, 'main')).rejects.toThrow('Cannot connect');
    await links.close();
    clock.advance(60_000);
    expect(warnings).toEqual([]);
  });
});
