import { Backoff, BrokerError, type Logger } from '@millrace/client';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Cluster } from '../cluster-port.ts';
import { isFinal } from '../errors.ts';
import type { MissingTopics } from '../missing-topics.ts';
import type { ConsumerSettings } from '../options.ts';
import { Wakeup } from '../wakeup.ts';
import type { Subscription } from './subscription.ts';

/** Topics that do not exist yet are asked about again after this long at most. */
const MISSING_RETRY_MS_MAX = 5_000;

/** What the watch works with. */
export interface TopicWatchContext {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly missing: MissingTopics;
  /** The first look is over: it is known what the subscription means. */
  ready(): void;
  /** A topic cannot be subscribed to, now or later. */
  failed(error: Error): void;
  /** It means other topics than before. */
  changed(topics: readonly string[]): void;
}

/**
 * Finds out which topics a subscription means, and keeps looking: for new ones that a regular expression matches, and for named
 * ones that do not exist yet.
 */
export class TopicWatch {
  readonly #context: TopicWatchContext;
  readonly #subscription: Subscription;
  readonly #wakeup: Wakeup;
  readonly #backoff: Backoff;
  #ready = false;
  /** Named topics that there were, so that whoever deleted them since is not overruled. */
  readonly #seen = new Set<string>();
  #busy = false;
  #closed = false;
  #dueMs = 0;

  constructor(context: TopicWatchContext, subscription: Subscription) {
    this.#context = context;
    this.#subscription = subscription;
    this.#wakeup = new Wakeup(context.clock, () => void this.#look());
    const { retryBackoffMs: backoffMs } = context.settings;
    this.#backoff = new Backoff({ backoffMs, backoffMsMax: MISSING_RETRY_MS_MAX }, context.random);
    this.#wakeup.soon();
  }

  /** Looks again where a topic is gone that there was: it may be made anew, and nobody else asks for it meanwhile. */
  metadataChanged(): void {
    if (this.#ready && !this.#busy && this.#dueMs === Number.POSITIVE_INFINITY && this.#isMissing()) {
      this.#dueMs = 0;
      this.#wakeup.soon();
    }
  }

  close(): void {
    this.#closed = true;
    this.#wakeup.close();
  }

  async #look(): Promise<void> {
    const { clock, logger, settings } = this.#context;
    if (this.#busy) return;
    if (this.#dueMs > clock.monotonic()) {
      this.#wakeup.at(this.#dueMs);
      return;
    }
    this.#busy = true;
    let waitMs: number;
    try {
      await this.#ask();
      if (this.#closed) return;
      this.#context.missing.answered(Array.from(this.#subscription.names, (topic) => ({ topic })));
      if (this.#isMissing()) {
        waitMs = this.#backoff.next();
      } else {
        this.#backoff.reset();
        waitMs = this.#subscription.patterns.length > 0 ? settings.metadataMaxAgeMs : Number.POSITIVE_INFINITY;
      }
      this.#beReady();
    } catch (error) {
      if (isFinal(error)) {
        if (!this.#closed) this.#context.failed(error);
        return;
      }
      logger.debug({ err: error }, 'The subscribed topics could not be looked up; trying again');
      waitMs = this.#backoff.next();
    } finally {
      this.#busy = false;
    }
    this.#dueMs = clock.monotonic() + waitMs;
    if (waitMs !== Number.POSITIVE_INFINITY) this.#wakeup.at(this.#dueMs);
  }

  async #ask(): Promise<void> {
    const { cluster } = this.#context;
    if (this.#subscription.patterns.length > 0) {
      const changed = this.#subscription.match(await cluster.allTopics());
      if (changed && this.#ready && !this.#closed) this.#context.changed(this.#subscription.topics());
    }
    const unknown: string[] = [];
    for (const topic of this.#subscription.names) {
      if (cluster.topic(topic) === undefined) unknown.push(topic);
      else this.#seen.add(topic);
    }
    await this.#load(
      unknown.filter((topic) => !this.#seen.has(topic)),
      true,
    );
    await this.#load(
      unknown.filter((topic) => this.#seen.has(topic)),
      false,
    );
  }

  async #load(topics: readonly string[], mayCreate: boolean): Promise<void> {
    if (topics.length === 0) return;
    try {
      await this.#context.cluster.loadTopics(topics, mayCreate);
    } catch (error) {
      // It may be about to be made; the group is joined all the same.
      if (!(error instanceof BrokerError) || error.errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw error;
    }
    for (const topic of topics) if (this.#context.cluster.topic(topic) !== undefined) this.#seen.add(topic);
  }

  #isMissing(): boolean {
    return [...this.#subscription.names].some((topic) => this.#context.cluster.topic(topic) === undefined);
  }

  #beReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#context.ready();
  }
}
