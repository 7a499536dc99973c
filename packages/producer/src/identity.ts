import type { ProducerIdentity } from './produce-batch.ts';
import type { ProduceTransport } from './produce-transport.ts';

/**
 * The producer id and epoch that an idempotent producer stamps its batches with (KIP-98), and their change after an error
 * that leaves a hole in the sequence (KIP-360).
 */
export class ProducerIdentitySource {
  readonly #transport: Pick<ProduceTransport, 'initProducerId'>;
  #current: ProducerIdentity | undefined;
  #loading: Promise<void> | undefined;
  #bumpWanted = false;

  constructor(transport: Pick<ProduceTransport, 'initProducerId'>) {
    this.#transport = transport;
  }

  /** The identity that new batches take; undefined before it has been loaded and while a bump is due. */
  get current(): ProducerIdentity | undefined {
    return this.#bumpWanted ? undefined : this.#current;
  }

  /** The identity that what was sent has, whatever is to come. */
  get known(): ProducerIdentity | undefined {
    return this.#current;
  }

  /** Whether new batches must wait until those sent under the old epoch have a known outcome. */
  get bumpWanted(): boolean {
    return this.#bumpWanted;
  }

  get isLoading(): boolean {
    return this.#loading !== undefined;
  }

  /** Asks that everything sent from now on goes under a new epoch. */
  requestBump(): void {
    this.#bumpWanted = true;
  }

  /** Takes up what the end of a transaction gave (KIP-890): nothing sent under the epoch before can count any more. */
  replace(next: ProducerIdentity): void {
    this.#current = next;
    this.#bumpWanted = false;
  }

  /** Loads the first identity, or the next one. Concurrent calls share one request. Rejects with what the broker said. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    const next = await this.#transport.initProducerId(this.#current);
    this.#current = { producerId: next.producerId, producerEpoch: next.producerEpoch };
    this.#bumpWanted = false;
  }
}
