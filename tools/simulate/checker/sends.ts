import type { SendEvent } from '../history.ts';
import type { PartitionFacts } from './partition-facts.ts';
import type { Violation } from './violation.ts';

/** What one client sent to a partition in one order, and was acknowledged, stands there in that order. */
export function checkSends(facts: PartitionFacts): Violation[] {
  if (facts.losses.length > 0) return [];
  const violations: Violation[] = [];
  const lastOf = new Map<string, SendEvent>();
  const acknowledged = facts.sends.filter((send) => facts.isFirm(send));
  for (const send of acknowledged.sort((a, b) => a.order - b.order)) {
    const before = lastOf.get(send.client);
    lastOf.set(send.client, send);
    if (before === undefined || send.client === 'admin') continue;
    if (send.baseOffset >= before.baseOffset + before.values.length) continue;
    const message = `${send.client} sent ${before.values[0]} before ${send.values[0]}, and they stand at ${before.baseOffset} and ${send.baseOffset}`;
    violations.push({ anomaly: 'nonmonotonic-send', partition: facts.name, message, at: send.end });
  }
  return violations;
}

/**
 * The end of a partition lies behind all that was acknowledged before it was asked for. A leader that has been replaced without knowing
 * tells where it stood, as in Kafka.
 */
export function checkOffsets(facts: PartitionFacts): Violation[] {
  if (facts.rules.isReplicated) return [];
  const violations: Violation[] = [];
  for (const { start, end, client, earliest, latest } of facts.offsets) {
    if (facts.losses.length > 0) continue;
    const required = facts.sends
      .filter((send) => send.outcome === 'ok' && send.end < start)
      .reduce((most, send) => Math.max(most, send.baseOffset + send.values.length), 0);
    const startsTooLate = !facts.mayStartLater && earliest > 0;
    if (latest >= required && !startsTooLate) continue;
    const message = `${client} is told ${earliest} to ${latest}, and ${required} is the least that the end may be`;
    violations.push({ anomaly: 'wrong-offsets', partition: facts.name, message, at: end });
  }
  return violations;
}
