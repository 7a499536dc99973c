import { ProducerError } from '@millrace/producer';
import { describe, expect, it } from 'vitest';
import { type Losses, lostRecords, noteLoss } from './produce.ts';

const timedOut = (message: string) => new ProducerError('PRODUCER_DELIVERY_TIMED_OUT', message);
const SENT = timedOut("2 records for partition 0 of topic 't' were not acknowledged within 9 ms; it was sent once");
const GIVEN_UP = timedOut(
  "2 records for partition 0 of topic 't' were not acknowledged within 9 ms; it was never sent",
);
const NEVER_IN_A_BATCH = timedOut(
  "A record for topic 't' was not sent within 9 ms (deliveryTimeoutMs): it waited for room",
);

function told(...errors: Error[]): string {
  const losses: Losses = { first: undefined, records: 0, unknown: 0 };
  for (const error of errors) noteLoss(losses, error);
  return lostRecords(losses, 't', 5, 9).message;
}

describe('records that were not written', () => {
  it('are told apart by what became of each, whichever was the first', () => {
    for (const errors of [
      [SENT, GIVEN_UP, NEVER_IN_A_BATCH, SENT, GIVEN_UP],
      [GIVEN_UP, SENT, SENT, NEVER_IN_A_BATCH, GIVEN_UP],
    ]) {
      expect(told(...errors)).toMatch(
        /; 3 of 9 records did not get into topic "t", it is not known whether 2 of 9 records got into topic "t", 5 did/,
      );
    }
  });

  it('are of one kind alone where all of them are', () => {
    expect(told(SENT)).toMatch(/; it is not known whether 1 of 9 records got into topic "t", 5 did/);
    expect(told(NEVER_IN_A_BATCH)).toMatch(/; 1 of 9 records did not get into topic "t", 5 did/);
  });
});
