/** Rules of what Kafka's clients are given everywhere: topics, partitions, offsets. */
import { anyText, milliseconds, required, type Shape, someText, type ValueRule, wholeNumber } from '@millrace/ports';

/** The longest name of a topic that Kafka takes. */
const TOPIC_NAME_LENGTH_MAX = 249;

/** The longest text that most fields of the protocol carry, in bytes of UTF-8. */
const NAME_BYTES_MAX = 32_767;

/** Text that fits the protocol's fields and is the same after it was sent. */
export const anyName: ValueRule = {
  expects: `text of at most ${NAME_BYTES_MAX} bytes`,
  accepts: (value) => anyText.accepts(value) && Buffer.byteLength(value as string) <= NAME_BYTES_MAX,
};

/** The same of what must not be empty, such as the id of a group. */
export const someName: ValueRule = {
  expects: `text of 1 to ${NAME_BYTES_MAX} bytes`,
  accepts: (value) => value !== '' && anyName.accepts(value),
};

/** A name that a broker can be asked about; which characters it may have is for the broker to say. */
export const topicNameRule: ValueRule = {
  expects: `the name of a topic, text of 1 to ${TOPIC_NAME_LENGTH_MAX} characters`,
  accepts: (value) => someText.accepts(value) && (value as string).length <= TOPIC_NAME_LENGTH_MAX,
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
