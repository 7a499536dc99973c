/** Takes a cluster of ours through what the captured cluster of Apache Kafka went through, step by step. */
import {
  AlterClientQuotas,
  AlterPartitionReassignments,
  CreatePartitions,
  DeleteTopics,
  ElectLeaders,
  IncrementalAlterConfigs,
  Produce,
} from '@millrace/protocol';
import { batchOf } from './test-broker.ts';
import type { Command, Write } from './test-captured-cluster.ts';
import { type Dump, dumpOf } from './test-captured-trees.ts';
import { TestReplicas } from './test-replicas.ts';

/** Which broker played which part: a capture is one cluster's life, and its assignments were drawn by lot. */
export interface Cast {
  readonly release: string;
  /** What stands before the names of the scenarios. */
  readonly prefix: string;
  readonly orders: readonly (readonly number[])[];
  readonly offsets: readonly (readonly number[])[];
  readonly plain: readonly (readonly number[])[];
  readonly gone: readonly (readonly number[])[];
  readonly isr: readonly number[];
  /** Killed in 03. */
  readonly killed: number;
  /** The follower that pauses in 11. */
  readonly paused: number;
  /** Whether the second controller was stopped in order as well. */
  readonly stopsController: boolean;
  /** In which order brokers' throttles were set and taken away in 06, each of four times. */
  readonly throttled: readonly (readonly number[])[];
}

const [A, B, C] = [
  [1, 2, 3],
  [2, 3, 1],
  [3, 1, 2],
] as const;
const [D, E, F] = [
  [1, 3, 2],
  [2, 1, 3],
  [3, 2, 1],
] as const;

/** Who played which part in the two captures. */
export const CASTS: readonly Cast[] = [
  {
    release: '3.9',
    prefix: '',
    orders: [B, C, A],
    offsets: [D, E, F],
    plain: [B, C],
    gone: [C, A],
    isr: A,
    killed: 2,
    paused: 2,
    stopsController: true,
    throttled: [B, F, E, B],
  },
  {
    release: '2.8',
    prefix: 'ibp2.8-',
    orders: [F, D, E],
    offsets: [B, C, A],
    plain: [F, D],
    gone: [A, B],
    isr: D,
    killed: 3,
    paused: 3,
    stopsController: false,
    throttled: [B, E, B, B],
  },
];

const [TOPIC, BROKER] = [2, 4];
const THROTTLED = ['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'] as const;
const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;

/** What came of one scenario. */
export interface Heard {
  readonly commands: readonly Command[];
  readonly writes: readonly Write[];
}

export class Walk {
  readonly #cast: Cast;
  readonly #cluster: TestReplicas;
  /** The whole tree after each scenario and at moments within, by the names of the captured ones. */
  readonly dumps = new Map<string, Dump>();
  #said = 0;
  #written = 0;
  #throttles = 0;

  private constructor(cast: Cast, cluster: TestReplicas) {
    this.#cast = cast;
    this.#cluster = cluster;
  }

  static async start(cast: Cast): Promise<Walk> {
    const settings = {
      'inter.broker.protocol.version': cast.release,
      'min.insync.replicas': '2',
      'replica.lag.time.max.ms': '2000',
      'replica.socket.timeout.ms': '1000',
    };
    const walk = new Walk(cast, await TestReplicas.start(3, settings));
    walk.#heard();
    await walk.#dump('01-boot');
    return walk;
  }

  /** Everything, by the names of the scenarios. */
  async all(): Promise<Map<string, Heard>> {
    const steps: [string, () => Promise<void>][] = [
      ['02-create', () => this.#create()],
      ['03-kill-leader', () => this.#bounce(this.#cast.killed, 'kill', '03-kill-leader-while-down')],
      ['04-controlled-shutdown', () => this.#bounce(3, 'stop', '04-controlled-shutdown-while-down')],
      ['05-kill-controller', () => this.#bounce(1, 'kill', '05-kill-controller-while-down')],
      ['05b-sigterm-controller', () => this.#bounce(2, 'stop')],
      ['06-reassign', () => this.#reassign()],
      ['07-config-delete', () => this.#configAndDelete()],
      ['11-isr-change', () => this.#isrChange()],
    ];
    const heard = new Map<string, Heard>();
    for (const [name, step] of steps) {
      if (name.startsWith('05b') && !this.#cast.stopsController) continue;
      await step();
      heard.set(`${this.#cast.prefix}${name}`, this.#heard());
      await this.#dump(name);
    }
    return heard;
  }

  stop(): Promise<void> {
    return this.#cluster.stopAll();
  }

  async #create(): Promise<void> {
    await this.#topic('orders', this.#cast.orders, { 'retention.ms': '604800000', 'min.insync.replicas': '2' });
    await this.#topic('__consumer_offsets', this.#cast.offsets, {
      'compression.type': 'producer',
      'cleanup.policy': 'compact',
      'segment.bytes': '104857600',
    });
  }

  /** A broker ends, comes back, catches up, and gets its leaderships back. */
  async #bounce(id: number, how: 'kill' | 'stop', whileDown?: string): Promise<void> {
    await this.#cluster[how](id);
    await this.#quiet();
    if (whileDown !== undefined) await this.#dump(whileDown);
    await this.#cluster.start(id);
    await this.#quiet();
    await this.#done(
      this.#cluster.ask(this.#controller, ElectLeaders, 2, {
        electionType: 0,
        topicPartitions: null,
        timeoutMs: 30_000,
      }),
    );
    await this.#quiet();
  }

  async #reassign(): Promise<void> {
    const onTwo = [1, 2];
    await this.#topic('moves', [onTwo, onTwo], { 'min.insync.replicas': '1' });
    await this.#throttle(0, '200000');
    // In place of a throttle that has it take a while.
    this.#cluster.cutFetches(3, 1);
    await this.#move(0, [2, 3]);
    await this.#cluster.pass(50);
    await this.#dump('06-reassign-moves0-running');
    this.#cluster.heal();
    await this.#cluster.pass(4000, 50);
    await this.#throttle(0, null);
    await this.#throttle(1, '1000');
    // In place of a throttle that lets next to nothing through.
    this.#cluster.cutFetches(3, 1);
    await this.#move(1, [2, 3]);
    await this.#cluster.pass(50);
    await this.#dump('06-reassign-moves1-running');
    await this.#move(1, null);
    this.#cluster.heal();
    await this.#throttle(1, null);
    await this.#quiet();
  }

  async #configAndDelete(): Promise<void> {
    const { orders, plain, gone } = this.#cast;
    const assignments = orders.slice(0, 2).map((brokerIds) => ({ brokerIds }));
    const topics = [{ name: 'orders', count: 5, assignments }];
    await this.#done(
      this.#cluster.ask(this.#controller, CreatePartitions, 3, { topics, timeoutMs: 30_000, validateOnly: false }),
    );
    await this.#alter(this.#controller, TOPIC, 'orders', { 'retention.ms': '3600000', 'cleanup.policy': 'delete' });
    await this.#alter(2, BROKER, '2', { 'log.cleaner.threads': '2' });
    await this.#alter(2, BROKER, '', { 'message.max.bytes': '2000000' });
    const ops = [{ key: 'producer_byte_rate', value: 1_000_000, remove: false }];
    const entries = [{ entity: [{ entityType: 'user', entityName: 'u1' }], ops }];
    await this.#done(this.#cluster.ask(2, AlterClientQuotas, 1, { entries, validateOnly: false }));
    await this.#dump('07-config-delete-configs');
    await this.#topic('plain', plain);
    await this.#delete('plain');
    await this.#topic('gone', gone);
    await this.#cluster.stop(1);
    await this.#quiet();
    await this.#delete('gone');
    await this.#dump('07-config-delete-pending-delete');
    await this.#bounceBack(1);
  }

  async #bounceBack(id: number): Promise<void> {
    await this.#cluster.start(id);
    await this.#quiet();
    const body = { electionType: 0, topicPartitions: null, timeoutMs: 30_000 };
    await this.#done(this.#cluster.ask(this.#controller, ElectLeaders, 2, body));
    await this.#quiet();
  }

  async #isrChange(): Promise<void> {
    const { paused, isr } = this.#cast;
    await this.#topic('isr', [isr], { 'min.insync.replicas': '1' });
    this.#cluster.cutFetches(paused, isr[0] as number);
    const partitionData = [{ index: 0, records: batchOf(['a']) }];
    const topicData = [{ name: 'isr', partitionData }];
    await this.#done(this.#cluster.ask(isr[0] as number, Produce, 9, { acks: 1, timeoutMs: 1000, topicData }));
    await this.#cluster.pass(3500, 50);
    this.#cluster.heal();
    await this.#cluster.pass(2500, 50);
  }

  async #dump(name: string): Promise<void> {
    this.dumps.set(`${this.#cast.prefix}${name}`, await dumpOf(this.#cluster));
  }

  get #controller(): number {
    const found = [...this.#cluster.nodes.values()].find(
      (node) => node.isUp && node.broker.services.controller.isActive,
    );
    if (found === undefined) throw new Error('no broker is the controller');
    return found.id;
  }

  #topic(
    name: string,
    assignment: readonly (readonly number[])[],
    configs: Record<string, string> = {},
  ): Promise<void> {
    return this.#done(this.#cluster.createTopic(name, assignment, configs));
  }

  async #delete(name: string): Promise<void> {
    await this.#done(this.#cluster.ask(this.#controller, DeleteTopics, 5, { topicNames: [name], timeoutMs: 1000 }));
    await this.#quiet();
  }

  async #move(partitionIndex: number, replicas: number[] | null): Promise<void> {
    const topics = [{ name: 'moves', partitions: [{ partitionIndex, replicas }] }];
    await this.#done(
      this.#cluster.ask(this.#controller, AlterPartitionReassignments, 0, { timeoutMs: 30_000, topics }),
    );
  }

  /** As kafka-reassign-partitions does before a move, and takes back after it. */
  async #throttle(partition: number, rate: string | null): Promise<void> {
    const [leaders, followers] = rate === null ? [null, null] : [`${partition}:1,${partition}:2`, `${partition}:3`];
    const topic = (): Promise<void> =>
      this.#alter(this.#controller, TOPIC, 'moves', { [THROTTLED[0]]: leaders, [THROTTLED[1]]: followers });
    if (rate !== null) await topic();
    const brokers = this.#cast.throttled[this.#throttles] ?? [];
    this.#throttles += 1;
    for (const id of brokers) await this.#alter(id, BROKER, `${id}`, { [RATES[0]]: rate, [RATES[1]]: rate });
    if (rate === null) await topic();
  }

  async #alter(to: number, resourceType: number, resourceName: string, given: Record<string, string | null>) {
    const configs = Object.entries(given).map(([name, value]) => ({
      name,
      configOperation: value === null ? 1 : 0,
      value,
    }));
    const resources = [{ resourceType, resourceName, configs }];
    await this.#done(this.#cluster.ask(to, IncrementalAlterConfigs, 1, { validateOnly: false, resources }));
  }

  /** Long enough for everything that was set off to be done. */
  #quiet(): Promise<void> {
    return this.#cluster.pass(1500, 50);
  }

  async #done<T>(asked: Promise<T>): Promise<T> {
    let isDone = false;
    const note = (): void => {
      isDone = true;
    };
    asked.then(note, note);
    await this.#cluster.until('an answer', () => isDone, 60_000);
    return asked;
  }

  /** What has been said and written since it was asked last. */
  #heard(): Heard {
    const { said, written } = this.#cluster;
    const commands = said
      .slice(this.#said)
      .filter(({ api }) => api === 'LeaderAndIsr' || api === 'UpdateMetadata' || api === 'StopReplica');
    const writes = written.slice(this.#written).flatMap((operations) => {
      const guard = operations.find(({ type }) => type === 'check')?.path;
      return operations.flatMap((operation): Write[] => {
        const { type, path } = operation;
        if (type === 'check') return [];
        const data = type === 'delete' ? '' : Buffer.from(operation.data).toString();
        return [{ guard, type, path, data }];
      });
    });
    this.#said = said.length;
    this.#written = written.length;
    return { commands, writes };
  }
}
