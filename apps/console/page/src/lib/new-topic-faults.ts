import { ApiError } from './api-error.ts';

/** A field of a topic that is to be made; a config is named behind `config`. */
export type NewTopicField = 'topic' | 'partitions' | 'replication' | `config ${string}`;

/** What a cluster says no to by a code of its own, and the field that it is about. */
const BY_CODE: Readonly<Record<string, NewTopicField>> = {
  KAFKA_TOPIC_ALREADY_EXISTS: 'topic',
  KAFKA_INVALID_TOPIC_EXCEPTION: 'topic',
  KAFKA_INVALID_PARTITIONS: 'partitions',
  KAFKA_INVALID_REPLICATION_FACTOR: 'replication',
};
const OWN_FIELDS: readonly NewTopicField[] = ['topic', 'partitions', 'replication'];

/** Which field a refusal is about; undefined where it names none of them. */
export function fieldOfRefusal(error: Error, configs: readonly string[]): NewTopicField | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const byCode = Object.hasOwn(BY_CODE, error.code) ? BY_CODE[error.code] : undefined;
  if (byCode !== undefined) return byCode;
  if (error.said?.word === 'badField') return OWN_FIELDS.find((each) => each === error.said?.values['field']);
  if (error.code !== 'KAFKA_INVALID_CONFIG') return undefined;
  // One name may be a part of another: the longest that is told is meant.
  const [config] = configs
    .filter((name) => name !== '' && error.message.includes(name))
    .toSorted((a, b) => b.length - a.length);
  return config === undefined ? undefined : `config ${config}`;
}
