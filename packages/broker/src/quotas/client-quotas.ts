import type { Clock } from '@millrace/ports';
import type { Metrics } from '../shared/metrics.ts';
import type { FoundQuota, QuotaRules } from './quota-rules.ts';
import { TokenBucket } from './token-bucket.ts';
import { WindowedRate } from './windowed-rate.ts';

/** Who a request counts for. */
export interface QuotaAsker {
  /** The principal's name, without `User:`. */
  readonly user: string;
  /** Empty where the client has none. */
  readonly clientId: string;
}

/** What clients are held to their quotas with. */
export interface ClientQuotasOptions {
  readonly rules: QuotaRules;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** `quota.window.num`, `quota.window.size.seconds`, and the same for changes of the controller's. */
  readonly windows: () => { readonly count: number; readonly seconds: number };
  readonly controllerWindows: () => { readonly count: number; readonly seconds: number };
}

/** Client ids are the clients' choice, so those who have a quota may be many: of so many the use is remembered, for each kind. */
const REMEMBERED_MAX = 10_000;
/** A quota of 0 would keep a connection waiting for ever, though the quota is raised. */
const THROTTLE_MS_MAX = 3_600_000;

/** Things by name, the least lately used of which are forgotten. */
class Remembered<T> {
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  get(name: string, make: () => T): T {
    let value = this.#young.get(name);
    if (value !== undefined) return value;
    value = this.#old.get(name) ?? make();
    if (this.#young.size >= REMEMBERED_MAX / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, value);
    return value;
  }
}

/** The changes that one request makes through the controller (KIP-599). */
export interface MutationQuota {
  /** Counts partitions that are made or deleted; false where the quota is used up and the request is one that can be told so. */
  take(partitions: number): boolean;
}

/** Nothing is counted. */
export const UNLIMITED_MUTATIONS: MutationQuota = { take: () => true };

/**
 * Holds clients to what they may produce and consume in bytes, to the time that their requests may take, and to the partitions that
 * they may make and delete. It counts, and says how long somebody has to rest; whoever asks has him rest (KIP-13, KIP-124, KIP-219).
 */
export class ClientQuotas {
  readonly #options: ClientQuotasOptions;
  readonly #produced = new Remembered<WindowedRate>();
  readonly #fetched = new Remembered<WindowedRate>();
  readonly #worked = new Remembered<WindowedRate>();
  readonly #mutated = new Remembered<TokenBucket>();

  constructor(options: ClientQuotasOptions) {
    this.#options = options;
  }

  /** Nothing need be counted where it is off. */
  get isOn(): boolean {
    return !this.#options.rules.isEmpty;
  }

  /** Counts bytes that were produced, and says how long to rest. */
  produced(asker: QuotaAsker, bytes: number): number {
    return this.#count('producer_byte_rate', asker, this.#produced, bytes, THROTTLE_MS_MAX);
  }

  /** Counts the time that a request has kept the broker's thread, and says how long to rest: one window at most. */
  worked(asker: QuotaAsker, workMs: number): number {
    // In hundredths of the thread.
    const percent = workMs / 10;
    return this.#count('request_percentage', asker, this.#worked, percent, this.#options.windows().seconds * 1000);
  }

  /** Counts such time that came when the rest had been told already, as Kafka does that of its network threads: the next request rests for it. */
  workedLater(asker: QuotaAsker, workMs: number): void {
    const quota = this.#find('request_percentage', asker);
    if (quota === undefined) return;
    this.#worked.get(quota.sharedBy, () => this.#newRate()).record(workMs / 10, this.#options.clock.monotonic());
  }

  /** The most bytes that a fetch may bring. */
  fetchBytesMax(asker: QuotaAsker): number {
    const quota = this.#find('consumer_byte_rate', asker);
    if (quota === undefined) return Number.POSITIVE_INFINITY;
    const { count, seconds } = this.#options.windows();
    return Math.floor(quota.limit * Math.max(count - 1, 1) * seconds);
  }

  /**
   * Counts bytes that were read for a consumer, unless they are too many now: then they must be held back, and he has to rest. A batch
   * that is larger than the whole quota is let through when nothing else was; with Kafka it is never delivered.
   */
  fetched(asker: QuotaAsker, bytes: number): { readonly throttleMs: number; readonly isHeldBack: boolean } {
    const quota = this.#find('consumer_byte_rate', asker);
    if (quota === undefined) return { throttleMs: 0, isHeldBack: false };
    const nowMs = this.#options.clock.monotonic();
    const rate = this.#fetched.get(quota.sharedBy, () => this.#newRate());
    const isFirst = rate.isEmpty(nowMs) && quota.limit > 0;
    rate.record(bytes, nowMs);
    const throttleMs = Math.min(rate.throttleMs(quota.limit, nowMs), THROTTLE_MS_MAX);
    const isHeldBack = throttleMs > 0 && !isFirst;
    if (isHeldBack) rate.record(-bytes, nowMs);
    this.#note('fetch', throttleMs);
    return { throttleMs, isHeldBack };
  }

  /** What a request may change. Requests that know of the error are refused beyond the quota, others let through; all have to rest. */
  mutations(asker: QuotaAsker, isStrict: boolean): (MutationQuota & { readonly throttleMs: number }) | undefined {
    const quota = this.#find('controller_mutation_rate', asker);
    if (quota === undefined) return undefined;
    const { clock } = this.#options;
    const { limit } = quota;
    const bucket = this.#mutated.get(quota.sharedBy, () => {
      const { count, seconds } = this.#options.controllerWindows();
      return new TokenBucket(count * seconds * 1000, clock.monotonic());
    });
    const owedMs = (): number => Math.min(bucket.owedMs(limit, clock.monotonic()), THROTTLE_MS_MAX);
    let throttleMs = 0;
    return {
      get throttleMs() {
        return throttleMs;
      },
      take: (partitions) => {
        if (isStrict) throttleMs = owedMs();
        if (isStrict && throttleMs > 0) return false;
        bucket.take(partitions, limit, clock.monotonic());
        if (!isStrict) throttleMs = owedMs();
        return true;
      },
    };
  }

  #count(
    key: string,
    asker: QuotaAsker,
    rates: Remembered<WindowedRate>,
    value: number,
    throttleMsMax: number,
  ): number {
    const quota = this.#find(key, asker);
    if (quota === undefined) return 0;
    const nowMs = this.#options.clock.monotonic();
    const rate = rates.get(quota.sharedBy, () => this.#newRate());
    rate.record(value, nowMs);
    const throttleMs = Math.min(rate.throttleMs(quota.limit, nowMs), throttleMsMax);
    this.#note(key === 'producer_byte_rate' ? 'produce' : 'request', throttleMs);
    return throttleMs;
  }

  #find(key: string, { user, clientId }: QuotaAsker): FoundQuota | undefined {
    return this.#options.rules.find(key, user, clientId);
  }

  #newRate(): WindowedRate {
    const { count, seconds } = this.#options.windows();
    return new WindowedRate(count, seconds * 1000);
  }

  #note(kind: string, throttleMs: number): void {
    if (throttleMs === 0) return;
    const { metrics } = this.#options;
    const labels = { quota: kind };
    metrics.counter('kafka_server_clientquotas_throttled_total', 'Requests beyond a quota', labels).add(1);
    metrics
      .counter('kafka_server_clientquotas_throttle_time_ms_total', 'How long they had to rest', labels)
      .add(throttleMs);
  }
}
