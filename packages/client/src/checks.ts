/** Rules of what Kafka's clients are given everywhere: topics, partitions, offsets. */
import { milliseconds, required, type Shape, type ValueRule, wholeNumber } from '@millrace/ports';

/** The longest name of a topic that Kafka takes. */
const TOPIC_NAME_LENGTH_MAX = 249;

/** A name that a broker can be asked about; which characters it may have is for the broker to say. */
export const topicNameRule: ValueRule = {
  expects: `the name of a topic, text of 1 to ${TOPIC_NAME_LENGTH_MAX} characters`,
  accepts: (value) =>
    typeof value === 'string' && value !== '' && value.length <= TOPIC_NAME_LENGTH_MAX && value.isWellFormed(),
};

/** An offset or a timestamp: a whole number that the protocol can carry exactly. */
export const offsetRule: ValueRule = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** The fields that name a partition. */
export const placeFields: { readonly topic: ValueRule; readonly partition: ValueRule } = {
  topic: required(topicNameRule),
  partition: required(wholeNumber(0)),
};

/** What `close` takes, of producer, consumer and admin alike. */
export const closeShape: Shape = { noun: 'option of close()', fields: { timeoutMs: milliseconds() } };
