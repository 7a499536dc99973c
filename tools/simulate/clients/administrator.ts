import { CreateTopics, DeleteRecords, ErrorCode, Produce } from '@millrace/protocol';
import type { TopicPlan } from '../plan.ts';
import type { ClientTools } from './client.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef, Topic } from './topics.ts';
import { encodeBatch } from './values.ts';

const NAME = 'admin';
const TIMEOUT_MS = 2000;
const CREATE_VERSION = 7;
const DELETE_VERSION = 2;
const PRODUCE_VERSION = 9;

/** Answers to DeleteRecords after which nothing was deleted, in a cluster too. */
const NOT_DELETED: ReadonlySet<number> = new Set([
  ErrorCode.OFFSET_OUT_OF_RANGE,
  ErrorCode.POLICY_VIOLATION,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
]);

/** Makes topics, deletes records, and tries in the end whether everything still works. */
export class Administrator {
  readonly #tools: ClientTools;
  readonly #router: Router;

  constructor(tools: ClientTools) {
    this.#tools = tools;
    this.#router = new Router(NAME, tools);
  }

  async createTopics(plans: readonly TopicPlan[]): Promise<Topic[]> {
    const body = {
      topics: plans.map(({ name, partitions, replicationFactor, configs }) => ({
        name,
        numPartitions: partitions,
        replicationFactor,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: TIMEOUT_MS,
      validateOnly: false,
    };
    this.#router.forget();
    const answer = await (await this.#router.controller()).ask(CreateTopics, CREATE_VERSION, body, TIMEOUT_MS);
    return plans.map(({ name, partitions }) => {
      const made = answer.topics.find((topic) => topic.name === name);
      if (made?.errorCode !== ErrorCode.NONE) throw new Error(`${name}: ${made?.errorMessage ?? made?.errorCode}`);
      return { name, partitions, id: made.topicId };
    });
  }

  /** Deletes what lies before an offset, at most before the high watermark. */
  async deleteRecords(partition: PartitionRef, offset: number): Promise<void> {
    const { history } = this.#tools;
    const pending = history.delete({ partition: partition.name, offset });
    const partitions = [{ partitionIndex: partition.index, offset }];
    const body = { topics: [{ name: partition.topic.name, partitions }], timeoutMs: TIMEOUT_MS };
    try {
      const answer = await (await this.#router.leaderOf(partition)).ask(
        DeleteRecords,
        DELETE_VERSION,
        body,
        TIMEOUT_MS,
      );
      const errorCode = answer.topics[0]?.partitions[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      if (errorCode === ErrorCode.NONE) pending.ok();
      // A leader that waits for its followers has deleted, whatever it answers when that takes too long or another leads.
      else if (this.#tools.hosts.length === 1 || NOT_DELETED.has(errorCode)) pending.failed();
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#router.forget();
    }
  }

  /** Writes a record to a partition, and says why that cannot be done. */
  async probe(partition: PartitionRef): Promise<string | undefined> {
    const { clock, history } = this.#tools;
    const value = `probe.${partition.name}.${Math.round(clock.monotonic())}`;
    const record = { value, key: 'probe', sizeBytes: 40 };
    const timestampMs = clock.now();
    const pending = history.send({
      timestampMs,
      client: NAME,
      partition: partition.name,
      values: [value],
      keys: ['probe'],
      acks: -1,
      isOnce: true,
      order: 0,
    });
    const partitionData = [{ index: partition.index, records: encodeBatch([record], timestampMs) }];
    const body = { acks: -1, timeoutMs: TIMEOUT_MS, topicData: [{ name: partition.topic.name, partitionData }] };
    try {
      const answer = await (await this.#router.leaderOf(partition)).ask(Produce, PRODUCE_VERSION, body, TIMEOUT_MS);
      const outcome = answer.responses[0]?.partitionResponses[0];
      this.#router.noteError(outcome?.errorCode ?? ErrorCode.NONE);
      if (outcome?.errorCode !== ErrorCode.NONE) {
        return `Produce to ${partition.name} gives error ${outcome?.errorCode}`;
      }
      pending.ok(outcome.baseOffset);
      return undefined;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#router.forget();
      return `Produce to ${partition.name}: ${error.message}`;
    }
  }
}
