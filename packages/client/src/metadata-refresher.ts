import { required, runInMicrotask, valueFault } from '@millrace/ports';
import { type MetadataRequestInput, type MetadataResponse, ZERO_UUID } from '@millrace/protocol';
import { topicNameRule } from './checks.ts';
import { InvalidArgumentError } from './errors.ts';
import type { MetadataCache } from './metadata-cache.ts';

/**
 * What one refresh asks for; several callers' wishes are put together. Those that may create topics have a request of their own: the field
 * counts for the whole request, and who allows it for one topic must not have another come back that was deleted.
 */
interface Wish {
  readonly topics: Set<string>;
  readonly mayCreate: boolean;
  readonly isUrgent: boolean;
  all: boolean;
  readonly answer: Promise<MetadataResponse>;
  readonly resolve: (response: MetadataResponse) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends one Metadata request somewhere, with retries; an urgent one not behind others that may take their time. */
export type AskMetadata = (
  request: (version: number) => MetadataRequestInput,
  isUrgent: boolean,
) => Promise<MetadataResponse>;

/** Wishes that are answered one after the other: at most two wait. */
interface Line {
  readonly next: Wish[];
  isRunning: boolean;
}

/**
 * Asks for metadata, one request at a time: what is asked for while one is under way goes together into the next. So a leader
 * change that a thousand partitions notice costs one request or two. Urgent wishes have a line of their own: an ordinary request may wait
 * behind others on its connection for as long as those may take.
 */
export class MetadataRefresher {
  readonly #cache: MetadataCache;
  readonly #ask: AskMetadata;
  readonly #updated: () => void;
  readonly #ordinary: Line = { next: [], isRunning: false };
  readonly #urgent: Line = { next: [], isRunning: false };
  /** What urgent answers have told since the ordinary request went out that is under way: its answer may be older. */
  readonly #toldMeanwhile = new Set<string>();
  #brokersWereTold = false;

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
  refresh(topics: readonly string[] | 'all', mayCreate: boolean, isUrgent = false): Promise<MetadataResponse> {
    const fault = topics === 'all' ? undefined : topicsFault(topics);
    // It would fail the request of everybody who asks at the same time.
    if (fault !== undefined) return Promise.reject(new InvalidArgumentError(`Cannot ask for metadata: ${fault}`));
    const line = isUrgent ? this.#urgent : this.#ordinary;
    const wish = wishFor(line, topics, mayCreate, isUrgent);
    if (topics === 'all') {
      wish.all = true;
    } else {
      for (const topic of topics) {
        wish.topics.add(topic);
      }
    }
    if (!line.isRunning) {
      line.isRunning = true;
      // On the next turn, so that those who ask in this one are served together.
      runInMicrotask(() => void this.#run(line));
    }
    return wish.answer;
  }

  async #run(line: Line): Promise<void> {
    for (let wish = line.next.shift(); wish !== undefined; wish = line.next.shift()) {
      await this.#answer(wish);
    }
    line.isRunning = false;
  }

  async #answer(wish: Wish): Promise<void> {
    if (!wish.isUrgent) {
      this.#toldMeanwhile.clear();
      this.#brokersWereTold = false;
    }
    try {
      const response = await this.#ask((version) => requestFor(wish, version), wish.isUrgent);
      this.#cache.update(wish.isUrgent ? response : this.#withoutToldMeanwhile(response));
      if (wish.isUrgent) this.#note(response);
      this.#updated();
      wish.resolve(response);
    } catch (error) {
      wish.reject(error);
    }
  }

  #note({ brokers, topics }: MetadataResponse): void {
    if (!this.#ordinary.isRunning) return;
    this.#brokersWereTold ||= brokers.length > 0;
    for (const { name } of topics) if (name !== null) this.#toldMeanwhile.add(name);
  }

  #withoutToldMeanwhile(response: MetadataResponse): MetadataResponse {
    if (!this.#brokersWereTold) return response;
    const topics = response.topics.filter(({ name }) => name === null || !this.#toldMeanwhile.has(name));
    return { ...response, brokers: [], topics };
  }
}

/** The wish to join: two wait at most in a line, one of each kind. */
function wishFor(line: Line, topics: readonly string[] | 'all', mayCreate: boolean, isUrgent: boolean): Wish {
  const creates = mayCreate && topics !== 'all' && topics.length > 0;
  let wish = line.next.find((waiting) => waiting.mayCreate === creates);
  if (wish === undefined) {
    wish = newWish(creates, isUrgent);
    line.next.push(wish);
  }
  return wish;
}

function topicsFault(topics: readonly string[]): string | undefined {
  for (const topic of topics) {
    const fault = valueFault(topic, required(topicNameRule), 'topic');
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function newWish(mayCreate: boolean, isUrgent: boolean): Wish {
  const { promise, resolve, reject } = Promise.withResolvers<MetadataResponse>();
  // Those who asked may have stopped waiting by the time it fails.
  promise.catch(() => {});
  return { topics: new Set(), mayCreate, isUrgent, all: false, answer: promise, resolve, reject };
}

function requestFor(wish: Wish, version: number): MetadataRequestInput {
  return {
    topics: wish.all ? null : [...wish.topics].map((name) => ({ name, topicId: ZERO_UUID })),
    // Before version 4 a broker creates as it is configured to, and the field cannot say otherwise.
    allowAutoTopicCreation: version < 4 || wish.mayCreate,
  };
}
