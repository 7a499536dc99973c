import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { ManualClock } from '@millrace/ports';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ConnectionAdmission, type ConnectionLimits } from './connection-admission.ts';
import {
  cleanUp,
  closed,
  collect,
  echo,
  recordingLogger,
  request,
  startListener,
  startPeer,
  until,
} from './testing/peers.ts';

afterEach(cleanUp);

const NONE = Number.POSITIVE_INFINITY;

interface Changes {
  connectionsMax?: number;
  creationRateMax?: number;
  perAddressMax?: number;
  addressRateMax?: number;
  addressRates?: Record<string, number>;
  listeners?: Record<string, { connectionsMax?: number; creationRateMax?: number }>;
}

const limitsOf = (changes: Changes): ConnectionLimits => ({
  get connectionsMax() {
    return changes.connectionsMax ?? NONE;
  },
  get creationRateMax() {
    return changes.creationRateMax ?? NONE;
  },
  listener: (name) => ({ connectionsMax: NONE, creationRateMax: NONE, ...changes.listeners?.[name] }),
  perAddressMax: () => changes.perAddressMax ?? NONE,
  addressRateMax: (address) => changes.addressRates?.[address] ?? changes.addressRateMax ?? NONE,
});

/** Connections without sockets, and what became of them. */
function hall(changes: Changes, protectedListener?: string) {
  const clock = new ManualClock();
  const admission = new ConnectionAdmission({ limits: limitsOf(changes), clock, protectedListener });
  const evicted: string[] = [];
  const listeners = ['CLIENT', 'BROKER'].map((name) => ({
    name,
    closeStillest: () => {
      evicted.push(name);
      return true;
    },
  }));
  for (const listener of listeners) admission.open(listener);
  const come = (name = 'CLIENT', address = '10.0.0.1') => {
    const listener = listeners.find((each) => each.name === name) as (typeof listeners)[number];
    const visitor = { state: 'waiting' as 'waiting' | 'in' | 'refused', leave: () => {} };
    const candidate = {
      address,
      admit: () => {
        visitor.state = 'in';
      },
      refuse: () => {
        visitor.state = 'refused';
        if (hasCome) admission.left(listener, candidate);
      },
    };
    let hasCome = false;
    admission.arrive(listener, candidate);
    hasCome = true;
    visitor.leave = () => admission.left(listener, candidate);
    return visitor;
  };
  return { clock, admission, come, evicted };
}

const states = (visitors: readonly { readonly state: string }[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { state } of visitors) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
};

describe('connections beyond what there may be', () => {
  it('wait until another has gone, in the order in which they came', () => {
    const { come } = hall({ connectionsMax: 2 });
    const visitors = [come(), come(), come(), come()];
    expect(visitors.map(({ state }) => state)).toEqual(['in', 'in', 'waiting', 'waiting']);
    visitors[0]?.leave();
    expect(visitors.map(({ state }) => state)).toEqual(['in', 'in', 'in', 'waiting']);
    // One that goes while it waits takes nobody's place.
    visitors[3]?.leave();
    visitors[1]?.leave();
    expect(come().state).toBe('in');
  });

  it('wait for the bound of their own listener too, and others pass them', () => {
    const { come } = hall({ listeners: { CLIENT: { connectionsMax: 1 } } });
    expect([come().state, come().state, come('BROKER').state, come('BROKER').state]).toEqual([
      'in',
      'waiting',
      'in',
      'in',
    ]);
  });

  it('are let in on the listener of brokers all the same, and the stillest of another goes', () => {
    const { come, evicted } = hall({ connectionsMax: 1 }, 'BROKER');
    expect(come().state).toBe('in');
    expect(come('BROKER').state).toBe('in');
    expect(evicted).toEqual(['CLIENT']);
  });

  it('come in when the bound is raised', () => {
    const changes: Changes = { connectionsMax: 1 };
    const { come, admission } = hall(changes);
    const visitors = [come(), come()];
    changes.connectionsMax = 2;
    admission.sweep();
    expect(states(visitors)).toEqual({ in: 2 });
  });

  it('are closed where too many wait already: memory is bounded', () => {
    const { come, admission } = hall({ connectionsMax: 0 });
    const visitors = Array.from({ length: 1000 }, () => come());
    expect(states(visitors)).toEqual({ waiting: 511, refused: 489 });
    expect(admission.stats()).toEqual({ admitted: 0, waiting: 511 });
  });

  it('of one address are closed at once', () => {
    const { come } = hall({ perAddressMax: 2 });
    const visitors = [come(), come(), come(), come('CLIENT', '10.0.0.2')];
    expect(visitors.map(({ state }) => state)).toEqual(['in', 'in', 'refused', 'in']);
    visitors[0]?.leave();
    expect(come().state).toBe('in');
  });
});

describe('connections that come too fast', () => {
  it('wait, as seen with Kafka 3.9.1: 30 of 60 at a rate of 3, and the rest after and after', async () => {
    const { come, clock } = hall({ creationRateMax: 3 });
    const visitors = Array.from({ length: 60 }, () => come());
    expect(states(visitors)).toEqual({ in: 30, waiting: 30 });
    await clock.advance(1010);
    expect(states(visitors)).toEqual({ in: 33, waiting: 27 });
    await clock.advance(9000);
    expect(states(visitors)).toEqual({ in: 60 });
  });

  it('of one address are kept silent and closed within a second, as seen with Kafka 3.9.1: 20 of 40 at a rate of 2', async () => {
    const { come, clock } = hall({ addressRateMax: 2 });
    const visitors = Array.from({ length: 40 }, () => come());
    expect(states(visitors)).toEqual({ in: 20, waiting: 20 });
    await clock.advance(1000);
    expect(states(visitors)).toEqual({ in: 20, refused: 20 });
    expect(states([come(), come()])).toEqual({ in: 2 });
  });

  it('from one address keep nobody else out, on its own listener or on that of brokers, however many they are', async () => {
    const { come, admission, clock } = hall({ addressRates: { flood: 1 } }, 'BROKER');
    const flood = Array.from({ length: 2000 }, () => come('CLIENT', 'flood'));
    expect(states(flood)).toEqual({ in: 10, waiting: 511, refused: 1479 });
    expect([come('BROKER', 'peer').state, come('BROKER', 'flood').state]).toEqual(['in', 'refused']);
    expect(states(Array.from({ length: 100 }, () => come('CLIENT', 'other')))).toEqual({ in: 100 });
    expect(admission.stats()).toEqual({ admitted: 111, waiting: 511 });
    await clock.advance(1000);
    expect(states(flood)).toEqual({ in: 10, refused: 1990 });
    expect(admission.stats()).toEqual({ admitted: 111, waiting: 0 });
  });

  it('from one address take no turn from others, and no place among those who wait for theirs', () => {
    const { come } = hall({ creationRateMax: 2, addressRates: { flood: 1 } });
    expect(states(Array.from({ length: 1000 }, () => come('CLIENT', 'flood')))).toMatchObject({ in: 10 });
    expect(states(Array.from({ length: 20 }, () => come('CLIENT', 'other')))).toEqual({ in: 10, waiting: 10 });
  });

  it('to the listener of brokers wait for its own rate alone', () => {
    const { come } = hall({ creationRateMax: 1, listeners: { BROKER: { creationRateMax: 2 } } }, 'BROKER');
    expect(states(Array.from({ length: 30 }, () => come('BROKER')))).toEqual({ in: 20, waiting: 10 });
  });
});

describe('the counts of connections', () => {
  it('are right whatever comes and goes: nobody is in beyond the bounds, and nobody waits while there is a place', async () => {
    const step = fc.record({
      leaves: fc.boolean(),
      which: fc.nat(100),
      broker: fc.boolean(),
      address: fc.constantFrom('a', 'b', 'c'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 0, max: 5 }),
        async (steps, connectionsMax) => {
          const { come, admission } = hall({ connectionsMax, perAddressMax: 4 });
          let visitors: ReturnType<typeof come>[] = [];
          for (const { leaves, which, broker, address } of steps) {
            const leaving = leaves ? visitors[which % Math.max(visitors.length, 1)] : undefined;
            if (leaving === undefined) {
              visitors.push(come(broker ? 'BROKER' : 'CLIENT', address));
            } else {
              leaving.leave();
              visitors = visitors.filter((each) => each !== leaving);
            }
            visitors = visitors.filter(({ state }) => state !== 'refused');
            const { in: inside = 0, waiting = 0 } = states(visitors);
            expect(admission.stats()).toEqual({ admitted: inside, waiting });
            expect(inside).toBeLessThanOrEqual(connectionsMax);
            expect(waiting === 0 || inside === connectionsMax).toBe(true);
          }
        },
      ),
    );
  });
});

describe('a listener with an admission', () => {
  it('reads nothing of who waits, and serves him when his turn comes', async () => {
    const { lines, logger } = recordingLogger();
    const admission = new ConnectionAdmission({ limits: limitsOf({ connectionsMax: 1 }), logger });
    const { port, listener } = await startListener({ handler: { handle: echo }, admission });
    const first = await startPeer(port);
    const second = await startPeer(port);
    const texts = collect(second);
    second.write(request('patience'));
    await until(() => admission.stats().waiting === 1);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, requests: 0 });
    expect(lines.map(({ message }) => message)).toEqual([
      'Connections to PLAINTEXT wait: max.connections=1 is reached',
    ]);
    first.destroy();
    await until(() => texts.length === 1);
    expect(texts).toEqual(['patience']);
  });

  it('closes who comes too often from one address without a byte, and tells the log why', async () => {
    const { lines, logger } = recordingLogger();
    const admission = new ConnectionAdmission({ limits: limitsOf({ perAddressMax: 1 }) });
    const { port, listener } = await startListener({ handler: { handle: echo }, admission, logger });
    const first = await startPeer(port);
    const second = await startPeer(port);
    await closed(second);
    expect(second.bytesRead).toBe(0);
    expect(listener.stats()).toMatchObject({ connectionsOpen: 1, connectionsRefused: 1 });
    expect(lines[0]?.message).toContain('max.connections.per.ip=1');
    first.destroy();
    await until(() => admission.stats().admitted === 0);
    const third = await startPeer(port);
    const texts = collect(third);
    third.write(request('welcome'));
    await until(() => texts.length === 1);
  });

  it('has a handshake of TLS wait like everything else', async () => {
    const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/localhost.${name}.pem`, import.meta.url));
    const admission = new ConnectionAdmission({ limits: limitsOf({ connectionsMax: 1 }) });
    const tls = { key: pem('key'), cert: pem('cert') };
    const { port } = await startListener({ handler: { handle: echo }, admission, tls });
    const first = await startPeer(port);
    const second = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: pem('cert') });
    let isSecured = false;
    second.once('secureConnect', () => {
      isSecured = true;
    });
    await until(() => admission.stats().waiting === 1);
    expect(isSecured).toBe(false);
    first.destroy();
    await until(() => isSecured);
    const texts = collect(second);
    second.write(request('secret'));
    await until(() => texts.length === 1);
    second.destroy();
  });

  it('lets go of who waits when it closes', async () => {
    const admission = new ConnectionAdmission({ limits: limitsOf({ connectionsMax: 0 }) });
    const { port, listener } = await startListener({ handler: { handle: echo }, admission });
    const peer = await startPeer(port);
    await until(() => admission.stats().waiting === 1);
    await listener.close(0);
    await closed(peer);
    expect(admission.stats()).toEqual({ admitted: 0, waiting: 0 });
  });
});
