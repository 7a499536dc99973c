import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import { decodeProducerIdBlock, encodeProducerIdBlock, type ProducerIdBlock, paths } from '../store/znodes.ts';

/** How many producer ids a broker takes at a time (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`). */
export const PRODUCER_IDS_PER_BLOCK = 1000;

/** How often a block is asked for again when other brokers take theirs at the same moment. */
const BLOCK_ATTEMPTS_MAX = 50;

/**
 * Hands out producer ids from blocks that brokers take from one node of the metadata store. Ids of a block that a broker did
 * not use are lost when it stops, never handed out twice.
 */
export class ProducerIdManager {
  readonly #store: MetadataStore;
  readonly #brokerId: number;
  #next = 0;
  #last = -1;
  #taking: Promise<void> | undefined;

  constructor(store: MetadataStore, brokerId: number) {
    this.#store = store;
    this.#brokerId = brokerId;
  }

  /** @throws MetadataError when a block cannot be taken. */
  async next(): Promise<number> {
    while (this.#next > this.#last) {
      this.#taking ??= this.takeBlock(this.#brokerId)
        .then(({ first, last }) => {
          this.#next = first;
          this.#last = last;
        })
        .finally(() => {
          this.#taking = undefined;
        });
      await this.#taking;
    }
    const id = this.#next;
    this.#next += 1;
    return id;
  }

  /** @throws MetadataError when a block cannot be taken. */
  async takeBlock(brokerId: number): Promise<ProducerIdBlock> {
    for (let attempt = 1; ; attempt += 1) {
      const { data, stat } = await this.#store.get(paths.producerIdBlock);
      const first = (decodeProducerIdBlock(data)?.last ?? -1) + 1;
      const block: ProducerIdBlock = { brokerId, first, last: first + PRODUCER_IDS_PER_BLOCK - 1 };
      try {
        await this.#store.set(paths.producerIdBlock, encodeProducerIdBlock(block), { exactly: stat.version });
        return block;
      } catch (error) {
        // A block whose answer was lost is nobody's.
        if (!isMetadataError(error, 'BAD_VERSION', 'CONNECTION_LOSS') || attempt === BLOCK_ATTEMPTS_MAX) throw error;
      }
    }
  }
}
