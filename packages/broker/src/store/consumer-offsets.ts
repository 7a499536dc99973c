import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import { untilAnswered } from './lost-answers.ts';
import { MalformedNodeError, paths } from './znodes.ts';

/** What neither ZooKeeper nor anybody who joins paths takes in the name of a node. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const NO_NODE_NAME = /^\.{0,2}$|[/\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;
/** A group id is a part of a path, and all of the path has a bound. */
const NODE_NAME_LENGTH_MAX = 512;

/** Whether a group can have offsets in the store: its id is the name of a node there. */
export function isNodeName(groupId: string): boolean {
  return groupId.length <= NODE_NAME_LENGTH_MAX && !NO_NODE_NAME.test(groupId);
}

/**
 * Offsets of groups in the metadata store (`/consumers/GROUP/offsets/TOPIC/PARTITION`), where consumers before 0.9 kept them. Version 0 of
 * OffsetCommit and OffsetFetch reads and writes them, as Kafka's brokers on ZooKeeper do, so that such a group has the same offsets
 * whichever kind of broker it asks.
 */
export class ConsumerOffsets {
  readonly #store: MetadataStore;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** @throws MetadataError where the store cannot do it */
  async set(groupId: string, topic: string, partition: number, offset: number): Promise<void> {
    const path = paths.consumerOffset(groupId, topic, partition);
    const data = Buffer.from(String(offset));
    for (;;) {
      try {
        await untilAnswered(() => this.#store.set(path, data, 'any'));
        return;
      } catch (error) {
        if (!isMetadataError(error, 'NO_NODE')) throw error;
      }
      await this.#make(groupId, topic, path, data);
    }
  }

  /** Makes the nodes above that are missing, and then the node; whoever was there first is overwritten by the next try. */
  async #make(groupId: string, topic: string, path: string, data: Uint8Array): Promise<void> {
    for (const parent of [paths.consumer(groupId), paths.consumerOffsets(groupId), paths.offsetsOf(groupId, topic)]) {
      await this.#createIfMissing(parent, Buffer.alloc(0));
    }
    await this.#createIfMissing(path, data);
  }

  async #createIfMissing(path: string, data: Uint8Array): Promise<void> {
    try {
      await untilAnswered(() => this.#store.create(path, data));
    } catch (error) {
      if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
    }
  }

  /**
   * Undefined where nothing was committed.
   * @throws MetadataError where the store cannot do it; MalformedNodeError where the node holds no offset
   */
  async get(groupId: string, topic: string, partition: number): Promise<number | undefined> {
    const path = paths.consumerOffset(groupId, topic, partition);
    try {
      const text = (await this.#store.get(path)).data.toString();
      const offset = Number(text);
      if (/^-?\d+$/.test(text) && Number.isSafeInteger(offset)) return offset;
      throw new MalformedNodeError(path, new Error(`"${text.slice(0, 40)}" is no offset`));
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }
}
