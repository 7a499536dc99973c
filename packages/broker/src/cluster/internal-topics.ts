/** Where groups keep their offsets and metadata. */
export const OFFSETS_TOPIC = '__consumer_offsets';
/** Where transactions keep their state. */
export const TRANSACTIONS_TOPIC = '__transaction_state';

const internalTopics: ReadonlySet<string> = new Set([OFFSETS_TOPIC, TRANSACTIONS_TOPIC]);

/** Whether a topic belongs to the broker itself, so that clients may read it and not write to it. */
export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name);
}
