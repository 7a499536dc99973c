import type { ConnectionContext, RequestAdmission, RequestHandler } from '@millrace/network';
import { expect, it } from 'vitest';
import { Unanswered } from './unanswered.ts';

const connection = {} as ConnectionContext;
const admission = {} as RequestAdmission;
const FETCH = Buffer.from([0, 1, 0, 4]);

/** What was asked, and is answered when the test says so. */
function asked(): { unanswered: Unanswered; settle: (ending: 'answered' | 'failed') => Promise<void> } {
  const waiting = Promise.withResolvers<null>();
  const unanswered = new Unanswered(() => 7);
  const slow: RequestHandler = { handle: () => waiting.promise };
  void Promise.resolve(unanswered.watching(slow).handle(FETCH, connection, admission)).catch(() => {});
  return {
    unanswered,
    settle: async (ending) => {
      if (ending === 'answered') waiting.resolve(null);
      else waiting.reject(new Error('a mistake'));
      await waiting.promise.catch(() => {});
      await Promise.resolve();
    },
  };
}

it.each(['answered', 'failed'] as const)('a request waits until it is %s, and no longer', async (ending) => {
  const { unanswered, settle } = asked();
  const [request] = unanswered.requests;
  expect(unanswered.requests).toHaveLength(1);
  expect(request).toEqual({ api: 'Fetch', sinceMs: 7, isOpen: true });
  await settle(ending);
  expect(unanswered.requests).toEqual([]);
  expect(request?.isOpen).toBe(false);
});

it('a request that is answered at once never waits', () => {
  const unanswered = new Unanswered(() => 0);
  void unanswered.watching({ handle: () => null }).handle(FETCH, connection, admission);
  expect(unanswered.requests).toEqual([]);
});
