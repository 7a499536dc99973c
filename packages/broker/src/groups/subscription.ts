import { ConsumerProtocolSubscription, Reader } from '@millrace/protocol';

/** The protocol type of consumers, the one whose members' metadata the coordinator can read. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

const VERSION_BYTES = 2;

/**
 * The topics come first in every version, and are read as version 0 has them: some clients (sarama among them) say version 1 and
 * leave out what it added. Kafka's coordinator reads them so, too (GroupMetadata.computeSubscribedTopics).
 */
function topicsOf(subscription: Buffer): string[] {
  if (subscription.readInt16BE(0) < 0) throw new RangeError('A negative version');
  return ConsumerProtocolSubscription.decode(new Reader(subscription, VERSION_BYTES), 0).topics;
}

/**
 * The topics that a consumer group's members subscribe to; undefined where a member's metadata cannot be read, because
 * then the group may read any topic.
 */
export function subscribedTopicsOf(subscriptions: Iterable<Buffer | undefined>): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  for (const subscription of subscriptions) {
    if (subscription === undefined) return undefined;
    try {
      for (const topic of topicsOf(subscription)) topics.add(topic);
    } catch {
      // Members may put anything into their metadata; it is their leader's business, not ours.
      return undefined;
    }
  }
  return topics;
}
