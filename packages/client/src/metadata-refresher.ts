import { runInMicrotask } from '@millrace/ports';
import { type MetadataRequestInput, type MetadataResponse, ZERO_UUID } from '@millrace/protocol';
import { required, topicNameRule, valueFault } from './checks.ts';
import { InvalidArgumentError } from './errors.ts';
import type { MetadataCache } from './metadata-cache.ts';

/** What one refresh asks for; several callers' wishes are put together. */
interface Wish {
  readonly topics: Set<string>;
  all: boolean;
  mayCreate: boolean;
  readonly answer: Promise<MetadataResponse>;
  readonly resolve: (response: MetadataResponse) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends one Metadata request somewhere, with retries. */
export type AskMetadata = (request: (version: number) => MetadataRequestInput) => Promise<MetadataResponse>;

/**
 * Asks for metadata, one request at a time: what is asked for while one is under way goes together into the next. So a leader
 * change that a thousand partitions notice costs one request or two.
 */
export class MetadataRefresher {
  readonly #cache: MetadataCache;
  readonly #ask: AskMetadata;
  readonly #updated: () => void;
  #next: Wish | undefined;
  #running = false;

  constructor(cache: MetadataCache, ask: AskMetadata, updated: () => void) {
    this.#cache = cache;
    this.#ask = ask;
    this.#updated = updated;
  }

  /**
   * Asks for these topics, or for all; the answer is in the cache when the promise resolves. An empty list asks for the
   * brokers only.
   * @throws InvalidArgumentError for a name that cannot be asked for
   */
  refresh(topics: readonly string[] | 'all', mayCreate: boolean): Promise<MetadataResponse> {
    const fault = topics === 'all' ? undefined : topicsFault(topics);
    // It would fail the request of everybody who asks at the same time.
    if (fault !== undefined) return Promise.reject(new InvalidArgumentError(`cannot ask for metadata: ${fault}`));
    this.#next ??= newWish();
    const wish = this.#next;
    wish.mayCreate ||= mayCreate;
    if (topics === 'all') {
      wish.all = true;
    } else {
      for (const topic of topics) {
        wish.topics.add(topic);
      }
    }
    if (!this.#running) {
      this.#running = true;
      // On the next turn, so that those who ask in this one are served together.
      runInMicrotask(() => void this.#run());
    }
    return wish.answer;
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined) {
      const wish = this.#next;
      this.#next = undefined;
      try {
        const response = await this.#ask((version) => requestFor(wish, version));
        this.#cache.update(response);
        this.#updated();
        wish.resolve(response);
      } catch (error) {
        wish.reject(error);
      }
    }
    this.#running = false;
  }
}

function topicsFault(topics: readonly string[]): string | undefined {
  for (const topic of topics) {
    const fault = valueFault(topic, required(topicNameRule), 'topic');
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function newWish(): Wish {
  const { promise, resolve, reject } = Promise.withResolvers<MetadataResponse>();
  // Those who asked may have stopped waiting by the time it fails.
  promise.catch(() => {});
  return { topics: new Set(), all: false, mayCreate: false, answer: promise, resolve, reject };
}

function requestFor(wish: Wish, version: number): MetadataRequestInput {
  return {
    topics: wish.all ? null : [...wish.topics].map((name) => ({ name, topicId: ZERO_UUID })),
    // Before version 4 a broker creates as it is configured to, and the field cannot say otherwise.
    allowAutoTopicCreation: version < 4 || (wish.mayCreate && !wish.all),
  };
}
