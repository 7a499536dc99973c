import { KafkaError } from '@millrace/network';
import { ManualClock, seededRandom } from '@millrace/ports';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseBootstrapServers } from './address.ts';
import { Backoff } from './backoff.ts';
import { brokerError } from './errors.ts';
import { type RetryPolicy, withRetries } from './retry.ts';

const policy: RetryPolicy = { retries: 100, backoffMs: 100, backoffMsMax: 1000, jitter: 0, timeoutMs: 60_000 };
const passing = () => new KafkaError('try again', { code: 'X', retriable: true });

describe('Backoff', () => {
  it('doubles up to the bound, stays within the jitter, and starts anew after a success', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, failures) => {
        const backoff = new Backoff({ backoffMs: 100, backoffMsMax: 1000, jitter: 0.2 }, seededRandom(seed));
        for (let failure = 0; failure < failures; failure += 1) {
          const expected = Math.min(1000, 100 * 2 ** failure);
          const waitMs = backoff.next();
          expect(waitMs).toBeGreaterThanOrEqual(expected * 0.8);
          expect(waitMs).toBeLessThanOrEqual(expected * 1.2);
        }
        expect(backoff.failures).toBe(failures);
        backoff.reset();
        expect(backoff.next()).toBeLessThanOrEqual(120);
      }),
    );
  });
});

describe('withRetries', () => {
  const context = (clock: ManualClock, signal?: AbortSignal) => ({
    what: 'The thing',
    clock,
    random: seededRandom(1),
    signal,
  });

  it('tries again after retriable errors, waiting longer each time', async () => {
    const clock = new ManualClock();
    const startedMs = clock.monotonic();
    const times: number[] = [];
    const result = withRetries(policy, context(clock), async ({ number }) => {
      times.push(clock.monotonic() - startedMs);
      if (number < 5) throw passing();
      return 'done';
    });
    await clock.advanceAsync(10_000);
    expect(await result).toBe('done');
    expect(times).toEqual([0, 100, 300, 700, 1500]);
    expect(clock.pendingCount).toBe(0);
  });

  it('throws at once what is not retriable, and what is no Kafka error', async () => {
    const clock = new ManualClock();
    for (const error of [new TypeError('a bug'), brokerError(17, 'CreateTopics')]) {
      let attempts = 0;
      const run = withRetries(policy, context(clock), async () => {
        attempts += 1;
        throw error;
      });
      await expect(run).rejects.toBe(error);
      expect(attempts).toBe(1);
    }
  });

  it('throws the last error when the retries are used up', async () => {
    const clock = new ManualClock();
    const error = passing();
    const run = expect(
      withRetries({ ...policy, retries: 2 }, context(clock), () => Promise.reject(error)),
    ).rejects.toBe(error);
    await clock.advanceAsync(1000);
    await run;
  });

  it('stops when the time is over, also in the middle of an attempt', async () => {
    const clock = new ManualClock();
    const run = expect(
      withRetries(policy, context(clock), ({ signal, number }) =>
        number === 1
          ? Promise.reject(passing())
          : new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
      ),
    ).rejects.toMatchObject({ code: 'CLIENT_TIMED_OUT', cause: { code: 'X' } });
    await clock.advanceAsync(60_000);
    await run;
  });

  it('takes all of its time, with one attempt more where a whole pause does not fit in', async () => {
    const clock = new ManualClock();
    const startedMs = clock.monotonic();
    const times: number[] = [];
    let endedMs: number | undefined;
    const timed = { ...policy, timeoutMs: 5000 };
    const run = withRetries(timed, context(clock), () => {
      times.push(clock.monotonic() - startedMs);
      return Promise.reject(passing());
    }).catch((error: Error) => {
      endedMs = clock.monotonic() - startedMs;
      return error.message;
    });
    await clock.advanceAsync(4999);
    expect([endedMs, times]).toEqual([undefined, [0, 100, 300, 700, 1500, 2500, 3500, 4500, 4750]]);
    await clock.advanceAsync(1);
    expect(await run).toBe('The thing did not succeed within 5000 ms; the last of 9 failures: try again');
    expect([endedMs, clock.pendingCount]).toEqual([5000, 0]);
  });

  it('stops when the caller aborts while it waits', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const run = expect(
      withRetries(policy, context(clock, controller.signal), () => Promise.reject(passing())),
    ).rejects.toMatchObject({ code: 'CLIENT_ABORTED' });
    await clock.advanceAsync(1);
    controller.abort();
    await run;
    expect(clock.pendingCount).toBe(0);
  });
});

describe('brokerError', () => {
  it('has the code of the protocol, and the broker’s words or a hint', () => {
    expect(brokerError(6, 'Produce to "t"')).toMatchObject({
      code: 'KAFKA_NOT_LEADER_OR_FOLLOWER',
      errorCode: 6,
      retriable: true,
      refreshMetadata: true,
      message: 'Produce to "t": the broker answered NOT_LEADER_OR_FOLLOWER: the leader has moved',
    });
    expect(brokerError(42, 'CreateTopics of "t"', 'no such config').message).toContain('no such config');
    expect(brokerError(9999, 'Fetch')).toMatchObject({ errorCode: 9999, message: expect.stringContaining('9999') });
  });
});

describe('parseBootstrapServers', () => {
  it('reads lists and strings, with and without ports, IPv4, IPv6 and names', () => {
    expect(parseBootstrapServers('a:1, b ,[::1]:3,[fe80::1],10.0.0.1:9').map(formatAddress)).toEqual([
      'a:1',
      'b:9092',
      '[::1]:3',
      '[fe80::1]:9092',
      '10.0.0.1:9',
    ]);
    expect(parseBootstrapServers(['x:5'])).toEqual([{ host: 'x', port: 5 }]);
  });

  it.each(['', ' , ', 'a:0', 'a:70000', 'a:b', '::1:9092', 'http://a:9092', 'a b:1'])('refuses %j', (servers) => {
    expect(() => parseBootstrapServers(servers)).toThrow(expect.objectContaining({ code: 'CLIENT_INVALID_OPTION' }));
  });
});
