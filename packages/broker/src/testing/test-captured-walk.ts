/** Takes a cluster of ours through what the captured cluster of Apache Kafka went through, step by step. */
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  AlterClientQuotas,
  AlterPartitionReassignments,
  CreatePartitions,
  DeleteRecords,
  DeleteTopics,
  ElectLeaders,
  EndTxn,
  IncrementalAlterConfigs,
  InitProducerId,
  Produce,
  TxnOffsetCommit,
} from '@millrace/protocol';
import { batchOf } from './test-broker.ts';
import type { Command, Write } from './test-captured-cluster.ts';
import { apiOf, capturedProbes, Translation } from './test-captured-probes.ts';
import { type Dump, dumpOf } from './test-captured-trees.ts';
import { hearOwnCommands } from './test-own-commands.ts';
import { type Said, TestReplicas } from './test-replicas.ts';

/** Which broker played which part: a capture is one cluster's life, and its assignments were drawn by lot. */
export interface Cast {
  readonly release: string;
  /** What it is called in tests. */
  readonly kind: string;
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
  /** In which order brokers' throttles were set and taken away in 06, each of four times. */
  readonly throttled: readonly (readonly number[])[];
  readonly tx: readonly (readonly number[])[];
  readonly txState: readonly (readonly number[])[];
  /** The follower in 09, paused for longer than its session lasts. */
  readonly strayed: number;
  /** Stopped in 10. */
  readonly stopped: number;
  readonly scenarios: readonly string[];
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

const SCENARIOS = [
  '01-boot',
  '02-create',
  '03-kill-leader',
  '04-controlled-shutdown',
  '05-kill-controller',
  '05b-sigterm-controller',
  '06-reassign',
  '07-config-delete',
  '08-transactions',
  '09-divergence',
  '10-delete-records',
  '11-isr-change',
  '12-pause-controller',
  '13-start-refused',
  '14-probes',
  '15-racks',
] as const;

/** The parts of scenarios that are left out. */
const NOBODY = { plain: [], gone: [], isr: [], killed: 0, paused: 0, throttled: [], tx: [], txState: [], strayed: 0 };

/** Who played which part in the three captures. */
export const CASTS: readonly Cast[] = [
  {
    release: '3.9',
    kind: 'all the way',
    prefix: '',
    orders: [B, C, A],
    offsets: [D, E, F],
    plain: [B, C],
    gone: [C, A],
    isr: A,
    killed: 2,
    paused: 2,
    throttled: [B, F, E, B],
    tx: [A, B],
    txState: [A, B, C],
    strayed: 2,
    stopped: 1,
    scenarios: SCENARIOS,
  },
  {
    release: '2.8',
    kind: 'as far as it was captured',
    prefix: 'ibp2.8-',
    orders: [F, D, E],
    offsets: [B, C, A],
    plain: [F, D],
    gone: [A, B],
    isr: D,
    killed: 3,
    paused: 3,
    throttled: [B, E, B, B],
    tx: [B, C],
    txState: [F, D, E],
    strayed: 3,
    stopped: 1,
    scenarios: [...SCENARIOS.slice(0, 5), ...SCENARIOS.slice(6, 10), '11-isr-change'],
  },
  // What was captured of this scenario under 2.8 happened to a cluster of its own.
  {
    ...NOBODY,
    release: '2.8',
    kind: 'in a cluster of its own',
    prefix: 'ibp2.8-',
    orders: [E, F, D],
    offsets: [A, B, C],
    stopped: 2,
    scenarios: ['10-delete-records'],
  },
];

const [TOPIC, BROKER] = [2, 4];
const THROTTLED = ['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'] as const;
const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;

interface Producer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

function granted(what: string, errorCode: number | undefined): void {
  if (errorCode !== 0) throw new Error(`${what} gave error ${errorCode}`);
}

/** What came of one scenario. */
export interface Heard {
  readonly commands: readonly Command[];
  /** What brokers asked one another, commands included. */
  readonly requests: readonly Command[];
  readonly writes: readonly Write[];
}

export class Walk {
  readonly #cast: Cast;
  readonly #cluster: TestReplicas;
  /** The whole tree after each scenario and at moments within, by the names of the captured ones. */
  readonly dumps = new Map<string, Dump>();
  readonly #deafen: () => void;
  #said = 0;
  #written = 0;
  #throttles = 0;

  private constructor(cast: Cast, cluster: TestReplicas, deafen: () => void) {
    this.#deafen = deafen;
    this.#cast = cast;
    this.#cluster = cluster;
  }

  static async start(cast: Cast): Promise<Walk> {
    const settings = {
      'inter.broker.protocol.version': cast.release,
      'min.insync.replicas': '2',
      'replica.lag.time.max.ms': '2000',
      'replica.socket.timeout.ms': '1000',
      'zookeeper.session.timeout.ms': '6000',
    };
    const first: Said[] = [];
    let hearing = first;
    const deafen = hearOwnCommands(cast.release, (said) => hearing.push(said));
    const cluster = await TestReplicas.start(3, settings);
    cluster.said.unshift(...first);
    hearing = cluster.said;
    const walk = new Walk(cast, cluster, deafen);
    return walk;
  }

  /** Everything, by the names of the scenarios. */
  async all(): Promise<Map<string, Heard>> {
    const steps: Record<(typeof SCENARIOS)[number], () => Promise<void>> = {
      // They are up already.
      '01-boot': async () => undefined,
      '02-create': () => this.#create(),
      '03-kill-leader': () => this.#bounce(this.#cast.killed, 'kill', '03-kill-leader-while-down'),
      '04-controlled-shutdown': () => this.#bounce(3, 'stop', '04-controlled-shutdown-while-down'),
      '05-kill-controller': () => this.#bounce(1, 'kill', '05-kill-controller-while-down'),
      '05b-sigterm-controller': () => this.#bounce(2, 'stop'),
      '06-reassign': () => this.#reassign(),
      '07-config-delete': () => this.#configAndDelete(),
      '08-transactions': () => this.#transactions(),
      '09-divergence': () => this.#divergence(),
      '10-delete-records': () => this.#deleteRecords(),
      '11-isr-change': () => this.#isrChange(),
      '12-pause-controller': () => this.#pauseController(),
      '13-start-refused': () => this.#startRefused(),
      '14-probes': () => this.#probes(),
      '15-racks': () => this.#racks(),
    };
    const heard = new Map<string, Heard>();
    const { scenarios, prefix } = this.#cast;
    if (!scenarios.includes('02-create')) {
      await this.#dump('01-boot');
      await this.#create();
      this.#heard();
    }
    for (const name of SCENARIOS) {
      if (!scenarios.includes(name)) continue;
      await steps[name]();
      heard.set(`${prefix}${name}`, this.#heard());
      await this.#dump(name);
    }
    return heard;
  }

  /** What brokers have asked one another, controllers included: APIs with their versions. */
  get asked(): ReadonlySet<string> {
    const between = this.#cluster.said.filter(({ from }) => from > 0);
    return new Set(between.map(({ api, version }) => `${api} ${version}`));
  }

  async stop(): Promise<void> {
    await this.#cluster.stopAll();
    this.#deafen();
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
    await this.#bounceBack(id);
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
    await this.#electPreferred();
  }

  async #electPreferred(): Promise<void> {
    const body = { electionType: 0, topicPartitions: null, timeoutMs: 30_000 };
    await this.#done(this.#cluster.ask(this.#controller, ElectLeaders, 2, body));
    await this.#quiet();
  }

  async #transactions(): Promise<void> {
    const { tx, txState } = this.#cast;
    await this.#topic('tx', tx);
    await this.#topic('__transaction_state', txState, {
      'compression.type': 'uncompressed',
      'cleanup.policy': 'compact',
      'min.insync.replicas': '2',
      'segment.bytes': '104857600',
      'unclean.leader.election.enable': 'false',
    });
    await this.#quiet();
    // Its transactional id falls on partition 1.
    const transactionalId = 'tid-1';
    const coordinator = txState[1]?.[0] as number;
    const init = { transactionalId, transactionTimeoutMs: 60_000 };
    const { errorCode, producerId, producerEpoch } = await this.#done(
      this.#cluster.ask(coordinator, InitProducerId, 2, init),
    );
    granted('InitProducerId', errorCode);
    const producer = { transactionalId, producerId, producerEpoch };
    for (const [baseSequence, committed] of [true, false].entries()) {
      await this.#transaction(coordinator, producer, baseSequence);
      const ended = await this.#done(this.#cluster.ask(coordinator, EndTxn, 3, { ...producer, committed }));
      granted('EndTxn', ended.errorCode);
      await this.#quiet();
    }
  }

  /** Two partitions, of which a client writes to the second first, and offsets of a group. */
  async #transaction(coordinator: number, producer: Producer, baseSequence: number): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = producer;
    const added = await this.#done(
      this.#cluster.ask(coordinator, AddPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: 'tx', partitions: [0, 1] }],
      }),
    );
    for (const { resultsByPartition } of added.resultsByTopicV3AndBelow) {
      for (const { partitionErrorCode } of resultsByPartition) granted('AddPartitionsToTxn', partitionErrorCode);
    }
    const batch = batchOf(['v'], { producerId, producerEpoch, baseSequence, isTransactional: true });
    for (const index of [1, 0]) await this.#append('tx', index, batch, -1, transactionalId);
    // The group falls on partition 0.
    const group = { ...producer, groupId: 'group-2' };
    granted('AddOffsetsToTxn', (await this.#done(this.#cluster.ask(coordinator, AddOffsetsToTxn, 3, group))).errorCode);
    const partitions = [{ partitionIndex: 0, committedOffset: baseSequence + 1, committedMetadata: '' }];
    const commit = { ...group, generationId: -1, memberId: '', topics: [{ name: 'orders', partitions }] };
    const leader = this.#cluster.leaderOf('__consumer_offsets', 0);
    const committed = await this.#done(this.#cluster.ask(leader, TxnOffsetCommit, 3, commit));
    granted('TxnOffsetCommit', committed.topics[0]?.partitions[0]?.errorCode);
  }

  /** A follower strays, its leader dies with what it alone has, and an unclean election makes the follower leader. */
  async #divergence(): Promise<void> {
    const { strayed } = this.#cast;
    const configs = { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'true' };
    await this.#topic('div', [[1, strayed]], configs);
    await this.#produce('div', 0, 20, -1);
    this.#cluster.pause(strayed);
    await this.#produce('div', 0, 30, 1);
    await this.#cluster.pass(3500, 50);
    await this.#produce('div', 0, 7, 1);
    this.#cluster.die(1);
    await this.#cluster.expire(strayed);
    await this.#cluster.pass(3500, 50);
    await this.#cluster.expire(1);
    await this.#quiet();
    await this.#dump('09-divergence-leaderless');
    await this.#cluster.resume(strayed);
    await this.#quiet();
    await this.#dump('09-divergence-unclean');
    await this.#produce('div', 0, 5, 1);
    await this.#bounceBack(1);
  }

  /** A follower comes back whose records all lie before the start of its leader's log. */
  async #deleteRecords(): Promise<void> {
    const { stopped } = this.#cast;
    const trim = [A, B];
    await this.#topic('trim', trim, { 'min.insync.replicas': '2' });
    for (const index of [0, 1]) await this.#produce('trim', index, 100, -1);
    await this.#deleteBefore(0, 40);
    await this.#cluster.stop(stopped);
    await this.#quiet();
    for (const index of [0, 1]) await this.#produce('trim', index, 100, -1);
    for (const index of [0, 1]) await this.#deleteBefore(index, 150);
    await this.#bounceBack(stopped);
  }

  async #isrChange(): Promise<void> {
    const { paused, isr } = this.#cast;
    await this.#topic('isr', [isr], { 'min.insync.replicas': '1' });
    this.#cluster.cutFetches(paused, isr[0] as number);
    await this.#produce('isr', 0, 1, 1);
    await this.#cluster.pass(3500, 50);
    this.#cluster.heal();
    await this.#cluster.pass(2500, 50);
  }

  /** The controller is paused for longer than its session lasts. */
  async #pauseController(): Promise<void> {
    this.#cluster.pause(3);
    // This one comes too late for the office.
    this.#cluster.pause(1);
    await this.#cluster.expire(3);
    await this.#cluster.resume(1);
    await this.#quiet();
    await this.#dump('12-pause-controller-while-paused');
    await this.#cluster.resume(3);
    await this.#quiet();
    await this.#electPreferred();
  }

  async #startRefused(): Promise<void> {
    this.#cluster.die(1);
    await this.#refused('BROKER_ID_IN_USE', this.#cluster.start(1));
    await this.#cluster.expire(1);
    await this.#quiet();
    await this.#bounceBack(1);
    const taken = { listeners: 'PLAINTEXT://broker-1.test:9092' };
    await this.#refused('BROKER_ADDRESS_IN_USE', this.#cluster.start(4, taken));
  }

  /** What was asked of the controller by hand, but for what tells brokers something behind its back. */
  async #probes(): Promise<void> {
    const { data } = await this.#cluster.store.get('/brokers/topics/orders');
    const { topic_id } = JSON.parse(data.toString()) as { readonly topic_id: string };
    const translation = await Translation.of(this.#cluster, topic_id);
    for (const probe of capturedProbes()) {
      const [, to, , version, request] = probe;
      const api = apiOf(probe);
      if (!['ControlledShutdown', 'AlterPartition', 'AllocateProducerIds'].includes(api.name)) continue;
      // The body is what the API's own decoder made.
      const body = translation.request({ api, request }) as never;
      await this.#done(this.#cluster.ask(to, api as never, version, body));
    }
    await this.#quiet();
  }

  async #racks(): Promise<void> {
    await this.#cluster.stop(1);
    await this.#quiet();
    await this.#cluster.start(1, { 'broker.rack': 'r1' });
    await this.#quiet();
    await this.#topic('racked', [A, B]);
  }

  async #refused(code: string, starting: Promise<unknown>): Promise<void> {
    const refusal = await starting.then(
      () => undefined,
      (error: { readonly code?: string }) => error.code,
    );
    if (refusal !== code) throw new Error(`A start was to be refused with ${code}, and gave ${refusal}`);
  }

  async #produce(name: string, index: number, records: number, acks: number): Promise<void> {
    const values = Array.from({ length: records }, (_, at) => `v${at}`);
    await this.#append(name, index, batchOf(values), acks);
  }

  async #append(
    name: string,
    index: number,
    records: Buffer,
    acks: number,
    transactionalId: string | null = null,
  ): Promise<void> {
    const body = {
      transactionalId,
      acks,
      timeoutMs: 5000,
      topicData: [{ name, partitionData: [{ index, records }] }],
    };
    const leader = this.#cluster.leaderOf(name, index);
    const { responses } = await this.#done(this.#cluster.ask(leader, Produce, 9, body));
    granted(`Producing to ${name}-${index}`, responses[0]?.partitionResponses[0]?.errorCode);
  }

  async #deleteBefore(partitionIndex: number, offset: number): Promise<void> {
    const topics = [{ name: 'trim', partitions: [{ partitionIndex, offset }] }];
    const leader = this.#cluster.leaderOf('trim', partitionIndex);
    await this.#done(this.#cluster.ask(leader, DeleteRecords, 2, { topics, timeoutMs: 5000 }));
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
    const requests = said.slice(this.#said);
    const commands = requests.filter(
      ({ api }) => api === 'LeaderAndIsr' || api === 'UpdateMetadata' || api === 'StopReplica',
    );
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
    return { commands, requests, writes };
  }
}
