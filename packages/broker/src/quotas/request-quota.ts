import { type ClientQuotas, type MutationQuota, type QuotaAsker, UNLIMITED_MUTATIONS } from './client-quotas.ts';

/** What one request uses of its sender's quotas, and how long he has to rest for it. */
export interface RequestQuota {
  /** The most bytes that the answer to a Fetch may have. */
  fetchBytesMax(): number;
  /** Counts the bytes of such an answer; false where they must be held back. */
  mayFetch(bytes: number): boolean;
  /** The changes that it may make through the controller. `isStrict`: it is told when they are too many, instead of made to wait. */
  mutations(isStrict: boolean): MutationQuota;
  /** It comes from somebody who may act as a broker, whose requests count for nobody. */
  exempt(): void;
}

/** Nothing is counted. */
export const NO_QUOTA: RequestQuota = {
  fetchBytesMax: () => Number.POSITIVE_INFINITY,
  mayFetch: () => true,
  mutations: () => UNLIMITED_MUTATIONS,
  exempt: () => {},
};

/** One request that counts. */
export class CountedRequest implements RequestQuota {
  readonly #quotas: ClientQuotas;
  readonly #asker: QuotaAsker;
  #throttleMs = 0;
  #isExempt = false;
  #mutations: ReturnType<ClientQuotas['mutations']>;

  constructor(quotas: ClientQuotas, asker: QuotaAsker) {
    this.#quotas = quotas;
    this.#asker = asker;
  }

  fetchBytesMax(): number {
    return this.#isExempt ? Number.POSITIVE_INFINITY : this.#quotas.fetchBytesMax(this.#asker);
  }

  mayFetch(bytes: number): boolean {
    if (this.#isExempt) return true;
    const { throttleMs, isHeldBack } = this.#quotas.fetched(this.#asker, bytes);
    this.#throttleMs = Math.max(this.#throttleMs, throttleMs);
    return !isHeldBack;
  }

  mutations(isStrict: boolean): MutationQuota {
    this.#mutations = this.#quotas.mutations(this.#asker, isStrict);
    return this.#mutations ?? UNLIMITED_MUTATIONS;
  }

  exempt(): void {
    this.#isExempt = true;
  }

  /** It was answered, or will not be: how long its connection has to rest. The longest of all rests counts. */
  settle(used: { readonly workMs: number; readonly producedBytes: number }): number {
    if (this.#isExempt) return 0;
    const { workMs, producedBytes } = used;
    return Math.max(
      this.#throttleMs,
      this.#mutations?.throttleMs ?? 0,
      producedBytes > 0 ? this.#quotas.produced(this.#asker, producedBytes) : 0,
      workMs > 0 ? this.#quotas.worked(this.#asker, workMs) : 0,
    );
  }

  /** Counts work on its answer, when the answer is encoded. */
  answered(workMs: number): void {
    if (!this.#isExempt && workMs > 0) this.#quotas.workedLater(this.#asker, workMs);
  }
}
