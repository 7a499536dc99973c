import type { TopicMetadata } from '@millrace/client';
import { ConsumerError } from '../errors.ts';

/** What a consumer wants to read: topics by their names, and by regular expressions that are matched against all there are. */
export class Subscription {
  readonly names: ReadonlySet<string>;
  readonly patterns: readonly RegExp[];
  readonly #includeInternal: boolean;
  #matched: readonly string[] = [];

  /** @throws ConsumerError `CONSUMER_INVALID_OPTION` for an empty list or name */
  constructor(topics: string | RegExp | Iterable<string | RegExp>, includeInternal: boolean) {
    const wanted = typeof topics === 'string' || topics instanceof RegExp ? [topics] : [...topics];
    this.names = new Set(wanted.filter((topic) => typeof topic === 'string'));
    this.patterns = wanted.filter((topic) => topic instanceof RegExp).map(stateless);
    this.#includeInternal = includeInternal;
    if (wanted.length === 0 || this.names.has('')) {
      const what = wanted.length === 0 ? 'there is no topic in the list' : 'a topic has an empty name';
      throw new ConsumerError(
        'CONSUMER_INVALID_OPTION',
        `Cannot subscribe: ${what}; to stop reading use unsubscribe()`,
      );
    }
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

/** Expressions with `g` or `y` remember where they were, which is of no use here. */
function stateless(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}
