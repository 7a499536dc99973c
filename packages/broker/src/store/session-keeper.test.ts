import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { SessionKeeper } from './session-keeper.ts';

/** A keeper whose registrations wait for their answers, which the test gives. */
async function keeperWith(): Promise<{
  readonly keeper: SessionKeeper;
  readonly store: MemoryMetadataStore;
  readonly clock: ManualClock;
  /** Answers the registration that waits: with an epoch, or with an error. */
  readonly answer: (outcome: number | Error) => Promise<void>;
}> {
  const clock = new ManualClock();
  const store = new MemoryMetadataStore({ clock });
  let waiting: ((outcome: number | Error) => void) | undefined;
  const register = (): Promise<number> =>
    new Promise((resolve, reject) => {
      waiting = (outcome) => (typeof outcome === 'number' ? resolve(outcome) : reject(outcome));
    });
  const keeper = new SessionKeeper({ store, clock, logger: silentLogger, register, renewed: async () => {} });
  const answer = async (outcome: number | Error): Promise<void> => {
    await clock.advanceAsync(0);
    waiting?.(outcome);
    waiting = undefined;
    await clock.advanceAsync(0);
  };
  const started = keeper.start();
  await answer(5);
  await started;
  return { keeper, store, clock, answer };
}

describe('a registration', () => {
  it('is over with its session, and there is none until the broker is registered anew', async () => {
    const { keeper, store, clock, answer } = await keeperWith();
    expect(keeper.registration).toBe(5);
    await store.expireSession();
    await clock.advanceAsync(0);
    expect([keeper.registration, keeper.brokerEpoch]).toEqual([Number.POSITIVE_INFINITY, 5]);
    await answer(new Error('the connection was lost'));
    expect(keeper.registration).toBe(Number.POSITIVE_INFINITY);
    await clock.advanceAsync(1000);
    await answer(9);
    expect([keeper.registration, keeper.brokerEpoch]).toEqual([9, 9]);
    keeper.stop();
  });
});
