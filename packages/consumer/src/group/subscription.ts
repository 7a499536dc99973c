import type { TopicMetadata } from '@millrace/client';
import { shown } from '@millrace/client/internal';
import { ConsumerError } from '../errors.ts';

/** What a consumer wants to read: topics by their names, and by regular expressions that are matched against all there are. */
export class Subscription {
  readonly names: ReadonlySet<string>;
  readonly patterns: readonly RegExp[];
  readonly #includeInternal: boolean;
  #matched: readonly string[] = [];

  /** @throws ConsumerError `CONSUMER_INVALID_OPTION` for an empty list or a name that no topic can have */
  constructor(topics: string | RegExp | Iterable<string | RegExp>, includeInternal: boolean) {
    const wanted = listOf(topics);
    this.names = new Set(wanted.filter((topic) => typeof topic === 'string'));
    this.patterns = wanted.filter((topic) => topic instanceof RegExp).map(stateless);
    this.#includeInternal = includeInternal;
    if (wanted.length === 0) {
      throw new ConsumerError(
        'CONSUMER_INVALID_OPTION',
        'Cannot subscribe: there is no topic in the list; to stop reading use unsubscribe()',
      );
    }
    for (const name of this.names) checkTopicName(name, 'subscribe');
  }

  /** The topics as last known, sorted. */
  topics(): string[] {
    return [...new Set([...this.names, ...this.#matched])].sort();
  }

  /** Matches all topics; true when that makes a difference. */
  match(all: readonly TopicMetadata[]): boolean {
    const matched = all
      .filter(({ name, internal }) => (this.#includeInternal || !internal) && this.#matches(name))
      .map(({ name }) => name)
      .sort();
    const before = this.topics().join();
    this.#matched = matched;
    return this.topics().join() !== before;
  }

  #matches(name: string): boolean {
    return this.patterns.some((pattern) => pattern.test(name));
  }
}

/** @throws ConsumerError `CONSUMER_INVALID_ARGUMENT` for what is neither names nor regular expressions */
function listOf(topics: string | RegExp | Iterable<string | RegExp>): (string | RegExp)[] {
  if (typeof topics === 'string' || topics instanceof RegExp) return [topics];
  if (typeof topics !== 'object' || topics === null || !(Symbol.iterator in topics)) {
    const isKafkajs = typeof topics === 'object' && topics !== null && ('topics' in topics || 'topic' in topics);
    const mend = isKafkajs ? ": give the topics themselves, and autoOffsetReset: 'earliest' to the consumer" : '';
    throw invalidTopics(
      `the topics must be a name, a regular expression, or a list of them, not ${shown(topics)}${mend}`,
    );
  }
  const wanted = [...topics];
  for (const [index, topic] of wanted.entries()) {
    if (typeof topic === 'string' || topic instanceof RegExp) continue;
    throw invalidTopics(`topics[${index}] must be a name or a regular expression, not ${shown(topic)}`);
  }
  return wanted;
}

function invalidTopics(why: string): ConsumerError {
  return new ConsumerError('CONSUMER_INVALID_ARGUMENT', `Cannot subscribe: ${why}`);
}

/** Expressions with `g` or `y` remember where they were, which is of no use here. */
function stateless(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}

/** @throws ConsumerError `CONSUMER_INVALID_OPTION` for what no topic can be called, which would be waited for in vain. */
export function checkTopicName(name: string, attempt: string): void {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..') return;
  const rule = 'names have 1 to 249 characters of a-z A-Z 0-9 . _ -';
  throw new ConsumerError('CONSUMER_INVALID_OPTION', `Cannot ${attempt}: no topic can be called "${name}"; ${rule}`);
}
