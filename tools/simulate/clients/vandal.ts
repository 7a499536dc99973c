import {
  type AnyApi,
  apiByKey,
  CreatePartitions,
  CreateTopics,
  DeleteGroups,
  DeleteTopics,
  encodeRequest,
  IncrementalAlterConfigs,
  JoinGroup,
  LeaderAndIsr,
  OffsetCommit,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from './client.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';

const TIMEOUT_MS = 500;
const PAUSE_MS = { least: 5, most: 80 };
const TOPICS = 3;
const NOT_CONTROLLER = 41;
/**
 * What a controller says to brokers. By chance garbage may be such an order, of a controller of a later term, and brokers that are told to
 * listen to everybody have to follow it; so of these only what is too short to be one is sent.
 */
const COMMANDS: ReadonlySet<number> = new Set([LeaderAndIsr.key, StopReplica.key, UpdateMetadata.key]);
const COMMAND_BYTES_MAX = 8;

/** What a topic of the vandal's is called. */
export const VANDALS_TOPIC = /^vandal-/;

/**
 * Somebody who lies, and makes and breaks things of its own: what it does must change nothing for the others, which the checker finds
 * out by them. Its topics and groups are not theirs.
 */
export class Vandal implements SimulatedClient {
  readonly name = 'vandal';
  readonly #tools: ClientTools;
  readonly #router: Router;
  #stopped = false;

  constructor(tools: ClientTools) {
    this.#tools = tools;
    this.#router = new Router(this.name, tools);
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    const deeds = [
      () => this.#sendGarbage(),
      () => this.#joinByBytes(),
      () => this.#joinAsNobody(),
      () => this.#commitBeyondNumbers(),
      () => this.#changeTopics(),
      () => this.#ask(DeleteGroups, 2, { groupsNames: ['vandals', ''] }),
    ];
    while (!this.#stopped) {
      await clock.sleep(dice.time(PAUSE_MS.least, PAUSE_MS.most));
      try {
        await dice.pick(deeds)();
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        this.#router.forget();
      }
    }
  }

  async #ask<ReqInput>(
    api: Parameters<typeof encodeRequest<unknown, unknown, ReqInput, unknown>>[0],
    version: number,
    body: ReqInput,
  ): Promise<void> {
    await this.#router.any().ask(api, version, body, TIMEOUT_MS);
  }

  /** Of a cluster's brokers only the controller changes topics; now and then another is asked all the same. */
  async #askController<ReqInput>(
    api: Parameters<typeof encodeRequest<unknown, unknown, ReqInput, unknown>>[0],
    version: number,
    body: ReqInput,
  ): Promise<void> {
    const { hosts, dice } = this.#tools;
    if (hosts.length === 1 || dice.chance(20)) return this.#ask(api, version, body);
    const answer = await (await this.#router.controller()).ask(api, version, body, TIMEOUT_MS);
    if (JSON.stringify(answer).includes(`"errorCode":${NOT_CONTROLLER}`)) this.#router.forget();
  }

  /** A header that some API has, and any bytes behind it. */
  async #sendGarbage(): Promise<void> {
    const { dice } = this.#tools;
    const api: AnyApi = dice.pick([...apiByKey.values()]);
    const header = Buffer.alloc(10);
    header.writeInt16BE(api.key);
    header.writeInt16BE(dice.between(api.minVersion, api.maxVersion), 2);
    header.writeInt16BE(-1, 8);
    const bytes = dice.bytes(dice.between(0, 60));
    await this.#send(Buffer.concat([header, COMMANDS.has(api.key) ? bytes.subarray(0, COMMAND_BYTES_MAX) : bytes]));
  }

  /** A group id that is not UTF-8, of up to the longest length. */
  async #joinByBytes(): Promise<void> {
    const groupId = 'g'.repeat(this.#tools.dice.pick([4, 300, 32_767]));
    const frame = this.#joining(this.name, groupId);
    frame.fill(0xff, frame.indexOf(groupId), frame.indexOf(groupId) + groupId.length);
    await this.#send(frame);
  }

  /** A client id that leaves no room for a member id. */
  #joinAsNobody(): Promise<void> {
    return this.#send(this.#joining('x'.repeat(32_767), 'vandals'));
  }

  #joining(clientId: string, groupId: string): Buffer {
    const body = {
      groupId,
      sessionTimeoutMs: 6_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    };
    return Buffer.concat(encodeRequest(JoinGroup, 0, { correlationId: 1, clientId }, body)).subarray(4);
  }

  async #commitBeyondNumbers(): Promise<void> {
    const topic = this.#tools.topics[0];
    if (topic === undefined) return;
    const beyond = Number.MAX_SAFE_INTEGER;
    const partitions = [{ partitionIndex: 0, committedOffset: beyond, committedMetadata: 'x' }];
    await this.#ask(OffsetCommit, 2, {
      groupId: 'vandals',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      retentionTimeMs: beyond,
      topics: [{ name: topic.name, partitions }],
    });
  }

  async #changeTopics(): Promise<void> {
    const { dice } = this.#tools;
    const name = dice.pick([`vandal-${dice.nextInt(TOPICS)}`, '..', 'a/b', '']);
    const options = { timeoutMs: TIMEOUT_MS, validateOnly: false };
    const replicationFactor = this.#tools.hosts.length === 1 ? 1 : dice.between(1, 3);
    const created = { name, numPartitions: dice.between(1, 3), replicationFactor, assignments: [], configs: [] };
    const change = { name: 'retention.ms', configOperation: 0, value: String(dice.between(1, 1000)) };
    const changed = { resourceType: 2, resourceName: name, configs: [change] };
    await dice.pick([
      () => this.#askController(CreateTopics, 5, { topics: [created], ...options }),
      () =>
        this.#askController(CreatePartitions, 1, {
          topics: [{ name, count: dice.between(1, 6), assignments: null }],
          ...options,
        }),
      () => this.#askController(IncrementalAlterConfigs, 1, { resources: [changed], validateOnly: false }),
      () => this.#askController(DeleteTopics, 5, { topicNames: [name], timeoutMs: TIMEOUT_MS }),
    ])();
  }

  /** Sends what may end its connection, on one of its own. */
  async #send(frame: Buffer): Promise<void> {
    const { clock, dice, hosts, network } = this.#tools;
    const connection = await network.connect(this.name, this.name, dice.pick(hosts));
    if (connection === undefined) return;
    connection.send(frame);
    await clock.sleep(dice.time(1, 20));
    connection.close();
  }
}
