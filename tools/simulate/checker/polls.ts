import type { PollEvent } from '../history.ts';
import { isSuperseded } from './full-reads.ts';
import type { KnownRecords } from './known-records.ts';
import type { PartitionFacts } from './partition-facts.ts';
import type { Violation } from './violation.ts';

/** What a reader gets begins at its position, rises, and leaves nothing out. */
export function checkPolls(facts: PartitionFacts, known: KnownRecords): Violation[] {
  return facts.polls.flatMap((poll) => [
    ...checkOrder(facts, poll),
    ...checkSkips(facts, known, poll),
    ...checkRefusals(facts, poll),
  ]);
}

function checkOrder(facts: PartitionFacts, { position, records, client, end }: PollEvent): Violation[] {
  let expected = position;
  for (const [offset] of records) {
    if (offset < expected) {
      const message = `${client} got offset ${offset} where it could expect ${expected} or more`;
      return [{ anomaly: 'nonmonotonic-poll', partition: facts.name, message, at: end }];
    }
    expected = offset + 1;
  }
  return [];
}

function checkSkips(facts: PartitionFacts, known: KnownRecords, poll: PollEvent): Violation[] {
  if (poll.skipped !== undefined) return [];
  const got = new Set(poll.records.map(([offset]) => offset));
  // What stood there before a reported loss need not be what is known at the end.
  const lostFrom = Math.min(...facts.losses.map(({ offset }) => offset));
  for (let offset = poll.position; offset < Math.min(poll.next, lostFrom); offset += 1) {
    const record = known.byOffset.get(offset);
    if (record === undefined || got.has(offset) || isSuperseded(record, facts, known)) continue;
    const message = `${poll.client} went from ${poll.position} to ${poll.next} without ${record.value} at ${offset}`;
    return [{ anomaly: 'poll-skip', partition: facts.name, message, at: poll.end }];
  }
  return [];
}

function checkRefusals(facts: PartitionFacts, { skipped, client, position, end }: PollEvent): Violation[] {
  const partition = facts.name;
  if (skipped === 'damaged' && !facts.isDamaged) {
    const message = `${client} is told that offset ${position} is damaged, and no bit of the log was flipped`;
    return [{ anomaly: 'false-damage', partition, message, at: end }];
  }
  // A leader that has been replaced without knowing does not know what the next one has.
  const mayBeBehind = facts.mayStartLater || facts.rules.isReplicated;
  if (skipped === 'out of range' && !mayBeBehind && facts.losses.length === 0) {
    const message = `${client} is told that its position ${position} is out of range`;
    return [{ anomaly: 'out-of-range', partition, message, at: end }];
  }
  return [];
}
