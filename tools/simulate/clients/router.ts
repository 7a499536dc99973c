import { ErrorCode, Metadata } from '@millrace/protocol';
import type { ClientTools } from './client.ts';
import { NoAnswer, Requester } from './requester.ts';
import type { PartitionRef } from './topics.ts';

const METADATA_VERSION = 9;
const METADATA_TIMEOUT_MS = 300;

/** Answers that tell a client that it asked in the wrong place. */
const MOVED: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NOT_CONTROLLER,
]);

/**
 * A client's ways to the brokers: one requester for each, and what Metadata says of who leads what. Where there is one broker,
 * nobody has to be asked for that.
 */
export class Router {
  readonly client: string;
  readonly #tools: ClientTools;
  readonly #requesters = new Map<string, Requester>();
  readonly #leaders = new Map<string, string>();
  #hosts: ReadonlyMap<number, string> = new Map();
  #controller: string | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(client: string, tools: ClientTools) {
    this.client = client;
    this.#tools = tools;
  }

  /** The way to a broker. */
  to(host: string): Requester {
    const { network, clock } = this.#tools;
    let requester = this.#requesters.get(host);
    if (requester === undefined) {
      const { client } = this;
      requester = new Requester({ client, from: client, to: host, network, clock, hear: (run) => run() });
      this.#requesters.set(host, requester);
    }
    return requester;
  }

  /** The way to some broker, as a bootstrap list has it. */
  any(): Requester {
    const { hosts, dice } = this.#tools;
    return this.to(hosts.length === 1 ? hosts[0]! : dice.pick(hosts));
  }

  /** The way to a broker by its id; undefined where Metadata has not told of it. */
  broker(id: number): Requester | undefined {
    const host = this.#hosts.get(id);
    return host === undefined ? undefined : this.to(host);
  }

  /** @throws NoAnswer when nobody leads the partition, or nobody can be asked who does */
  async leaderOf({ name }: PartitionRef): Promise<Requester> {
    if (this.#isAlone) return this.any();
    if (!this.#leaders.has(name)) await this.#refresh();
    const host = this.#leaders.get(name);
    if (host === undefined) throw new NoAnswer(`nobody leads ${name}`, false);
    return this.to(host);
  }

  /** @throws NoAnswer when there is none, or nobody can be asked who it is */
  async controller(): Promise<Requester> {
    if (this.#isAlone) return this.any();
    if (this.#controller === undefined) await this.#refresh();
    if (this.#controller === undefined) throw new NoAnswer('there is no controller', false);
    return this.to(this.#controller);
  }

  /**
   * Items by the leader of their partition. Those whose partition nobody leads are left out.
   * @throws NoAnswer when nobody can be asked who leads what
   */
  async byLeader<T extends { readonly partition: PartitionRef }>(items: readonly T[]): Promise<Map<Requester, T[]>> {
    if (this.#isAlone) return new Map([[this.any(), [...items]]]);
    if (items.some(({ partition }) => !this.#leaders.has(partition.name))) await this.#refresh();
    const groups = new Map<Requester, T[]>();
    for (const item of items) {
      const host = this.#leaders.get(item.partition.name);
      if (host === undefined) continue;
      const requester = this.to(host);
      const group = groups.get(requester);
      if (group === undefined) groups.set(requester, [item]);
      else group.push(item);
    }
    return groups;
  }

  /** What an answer says of where it came from. */
  noteError(errorCode: number): void {
    if (MOVED.has(errorCode)) this.forget();
  }

  /** Asks anew who leads what before the next request. */
  forget(): void {
    this.#leaders.clear();
    this.#controller = undefined;
  }

  /** Drops all connections. */
  disconnect(why: string): void {
    for (const requester of this.#requesters.values()) requester.disconnect(why);
  }

  get #isAlone(): boolean {
    return this.#tools.hosts.length === 1;
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askForMetadata().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #askForMetadata(): Promise<void> {
    const body = { topics: null, allowAutoTopicCreation: false };
    const answer = await this.any().ask(Metadata, METADATA_VERSION, body, METADATA_TIMEOUT_MS);
    const hostOf = new Map(answer.brokers.map(({ nodeId, host }) => [nodeId, host]));
    this.forget();
    this.#hosts = hostOf;
    this.#controller = hostOf.get(answer.controllerId);
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, leaderId } of partitions) {
        const host = hostOf.get(leaderId);
        if (host !== undefined) this.#leaders.set(`${name}-${partitionIndex}`, host);
      }
    }
  }
}
