import { ErrorCode } from '@millrace/protocol';
import { Refusal } from '../shared/refusal.ts';

const TOPIC_NAME_LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** Why a topic may not have this name; undefined when it may (Kafka's `Topic.validate`). */
export function topicNameFault(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `the length of '${name.slice(0, TOPIC_NAME_LENGTH_MAX)}...' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!LEGAL.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return undefined;
}

/** The refusal of a name that no topic may have. It comes before anything is looked up by the name: names are parts of paths. */
export function invalidTopicName(name: string): Refusal | undefined {
  const fault = topicNameFault(name);
  return fault === undefined
    ? undefined
    : Refusal.of(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${fault}`);
}

/**
 * What a topic is answered with that is not there: UNKNOWN_TOPIC_OR_PARTITION, or INVALID_TOPIC_EXCEPTION where no topic may have the name,
 * so that nobody asks again for what can never be. (Kafka does so for some requests only: those that look further than into its memory.)
 */
export function noSuchTopic(name: string): number {
  return topicNameFault(name) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION;
}
