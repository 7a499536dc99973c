import type { LogManager } from '@millrace/log';
import type { ReplicaState } from '../cluster/broker-channel.ts';
import type { Partition } from './partition.ts';

/** After so long without room a replica is given up for a time: others lead, or go on without it. */
export const GIVEN_UP_AFTER_MS = 1000;

/** With so much room it comes back, or with the lesser share of a small volume: it must not be gone again in a moment. */
const ROOM_BYTES_MIN = 64 * 1024 * 1024;
const ROOM_SHARE_MIN = 0.05;

/** What decides on replicas that lack room. */
export interface ShortagesOptions {
  readonly brokerId: number;
  readonly logs: Pick<LogManager, 'volumeOf'>;
  /** Whether a broker is registered, as far as this one knows. */
  readonly isAlive: (brokerId: number) => boolean;
}

/**
 * Replicas whose disk has had no room (or whose process no files) for a while. In a cluster others can go on where one cannot: the controller is told
 * that such a replica is offline, as one on a failed folder is (which is what Kafka does with a full disk, until a restart), and as soon as there
 * is room again that it is back. One that is alone in sync stays: nobody could take over, and it can still be read.
 */
export class Shortages {
  readonly #options: ShortagesOptions;
  /** By name, the folders of the logs of those that were given up. */
  readonly #givenUp = new Map<string, string>();

  constructor(options: ShortagesOptions) {
    this.#options = options;
  }

  /** A log could not append for want of something, for so long now. Whether its replica has just been given up for that. */
  noted(partition: Partition, lastedMs: number): boolean {
    const name = `${partition.topic}-${partition.partition}`;
    if (lastedMs < GIVEN_UP_AFTER_MS || this.#givenUp.has(name)) return false;
    if (partition.isLeader && this.#isAlone(partition.isr)) return false;
    this.#givenUp.set(name, partition.log.folder);
    return true;
  }

  /**
   * The same where nobody has tried again: producers may be in a long pause by then. Its disk says whether there is still no room; what
   * else it may be short of shows with the next append only.
   */
  async lasts(partition: Partition): Promise<boolean> {
    return (await this.#lacksRoom(partition.log.folder)) && this.noted(partition, partition.log.shortMs);
  }

  hasGivenUp(name: string): boolean {
    return this.#givenUp.has(name);
  }

  /** Whether a replica that the controller describes is still held to be offline. */
  async holdsBack({ topic, partition, leader, isr }: ReplicaState): Promise<boolean> {
    const name = `${topic}-${partition}`;
    const folder = this.#givenUp.get(name);
    if (folder === undefined) return false;
    const isNeeded = leader === this.#options.brokerId && this.#isAlone(isr);
    if (!isNeeded && (await this.#lacksRoom(folder))) return true;
    this.#givenUp.delete(name);
    return false;
  }

  /** It is not of this broker any more. */
  forget(name: string): void {
    this.#givenUp.delete(name);
  }

  #isAlone(isr: readonly number[]): boolean {
    const { brokerId, isAlive } = this.#options;
    return !isr.some((id) => id !== brokerId && isAlive(id));
  }

  async #lacksRoom(folder: string): Promise<boolean> {
    const volume = await this.#options.logs.volumeOf(folder);
    if (volume === undefined) return false;
    return volume.usableBytes < Math.min(ROOM_BYTES_MIN, volume.totalBytes * ROOM_SHARE_MIN);
  }
}
