import { ErrorCode } from '@millrace/protocol';
import { type ApiError, apiError } from '../shared/api-error.ts';

const TOPIC_NAME_LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** Why a topic may not have this name; undefined when it may (Kafka's `Topic.validate`). */
export function topicNameFault(name: string): string | undefined {
  if (name === '') return 'a topic name cannot be empty';
  if (name === '.' || name === '..') return `a topic name cannot be "${name}"`;
  if (name.length > TOPIC_NAME_LENGTH_MAX)
    return `a topic name cannot have more than ${TOPIC_NAME_LENGTH_MAX} characters`;
  if (!LEGAL.test(name)) return 'a topic name consists of ASCII letters, digits, ".", "_" and "-"';
  return undefined;
}

/** The refusal of a name that no topic may have. It comes before anything is looked up by the name: names are parts of paths. */
export function invalidTopicName(name: string): ApiError | undefined {
  const fault = topicNameFault(name);
  return fault === undefined
    ? undefined
    : apiError(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${fault}`);
}
