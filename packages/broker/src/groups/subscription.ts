import { ConsumerProtocolSubscription, decodeVersioned } from '@millrace/protocol';

/** The protocol type of consumers, the one whose members' metadata the coordinator can read. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/**
 * The topics that a consumer group's members subscribe to; undefined where a member's metadata cannot be read, because
 * then the group may read any topic.
 */
export function subscribedTopicsOf(subscriptions: Iterable<Buffer | undefined>): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  for (const subscription of subscriptions) {
    if (subscription === undefined) return undefined;
    try {
      for (const topic of decodeVersioned(ConsumerProtocolSubscription, subscription).topics) topics.add(topic);
    } catch {
      // Members may put anything into their metadata; it is their leader's business, not ours.
      return undefined;
    }
  }
  return topics;
}
