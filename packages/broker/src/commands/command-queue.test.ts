import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LEADER_OF_DELETED,
  type LiveBroker,
  type PartitionState,
  type ReplicaState,
  type StoppedReplica,
} from '../cluster/broker-channel.ts';
import { CommandQueue, type Order } from './command-queue.ts';

const HEADER = { controllerId: 1, controllerEpoch: 3, brokerEpoch: 7 };

type Said = Partial<PartitionState> & Pick<PartitionState, 'topic' | 'partition'>;

const stateOf = (said: Said): PartitionState => ({
  topicId: `id of ${said.topic}`,
  controllerEpoch: 3,
  leader: 1,
  leaderEpoch: 0,
  isr: [1, 2],
  partitionEpoch: 0,
  replicas: [1, 2],
  offlineReplicas: [],
  ...said,
});

const replicaOf = (said: Said & { isNew?: boolean }): ReplicaState => {
  const { offlineReplicas: _, ...state } = stateOf(said);
  return { addingReplicas: [], removingReplicas: [], leaderRecoveryState: 0, isNew: false, ...state };
};

const broker = (id: number): LiveBroker => ({ id, rack: null, endpoints: [] });

const lead = (said: readonly (Said & { isNew?: boolean })[], header = HEADER, leaders: number[] = []): Order => ({
  api: 'LeaderAndIsr',
  command: { ...header, partitions: said.map(replicaOf), liveLeaders: leaders.map(broker) },
});

const know = (said: readonly Said[], live: readonly number[] = [1, 2], header = HEADER): Order => ({
  api: 'UpdateMetadata',
  command: { ...header, partitions: said.map(stateOf), liveBrokers: live.map(broker) },
});

const stop = (...partitions: readonly Pick<StoppedReplica, 'topic' | 'partition'>[]): Order => ({
  api: 'StopReplica',
  command: { ...HEADER, partitions: partitions.map((each) => ({ ...each, leaderEpoch: 0, deletePartition: false })) },
});

const a = (leaderEpoch: number, rest: Partial<Said> & { isNew?: boolean } = {}) => ({
  topic: 'a',
  partition: 0,
  leaderEpoch,
  ...rest,
});
const b = (leaderEpoch: number) => ({ topic: 'b', partition: 0, leaderEpoch });

const ignore = (): void => {};

/** What is sent of orders that come while the broker is busy with the first. */
function sentOf(orders: readonly Order[]): Order[] {
  const queue = new CommandQueue();
  queue.put(stop(), ignore);
  queue.first();
  for (const order of orders) queue.put(order, ignore);
  return drained(queue).slice(1);
}

function drained(queue: CommandQueue): Order[] {
  const sent: Order[] = [];
  for (let next = queue.first(); next !== undefined; next = queue.first()) {
    sent.push(next.order);
    queue.done(next);
  }
  return sent;
}

describe('commands that wait for a broker', () => {
  it('are one LeaderAndIsr and one UpdateMetadata behind it, of all that a controller says in a row', () => {
    const orders = [
      lead([a(0), b(0)]),
      know([a(0), b(0)]),
      lead([a(1)]),
      know([a(1)], [1]),
      lead([b(1)]),
      know([b(1)], [1]),
    ];
    expect(sentOf(orders)).toEqual([lead([a(1), b(1)]), know([a(1), b(1)], [1])]);
  });

  it('name the leaders of all, and keep what is new', () => {
    const orders = [lead([a(0, { isNew: true })], HEADER, [1]), lead([a(1), b(0)], HEADER, [2])];
    expect(sentOf(orders)).toEqual([lead([a(1, { isNew: true }), b(0)], HEADER, [1, 2])]);
  });

  it.each<[string, readonly Order[]]>([
    ['pass what stops replicas', [lead([a(0)]), know([a(0)]), stop(a(0)), lead([a(1)]), know([a(1)])]],
    ['pass what says who is there', [lead([a(0)]), know([a(0)]), know([], [1]), lead([a(1)]), know([a(1)], [1])]],
    ['join where they only say who is there', [know([], [1]), know([], [1, 2]), know([], [1])]],
    ['join those of another controller', [lead([a(0)]), lead([a(1)], { ...HEADER, controllerEpoch: 4 })]],
    ['join those to another life of the broker', [know([a(0)]), know([a(1)], [1], { ...HEADER, brokerEpoch: 8 })]],
    ['join where a topic goes', [know([a(0, { leader: LEADER_OF_DELETED })]), know([b(0)])]],
    ['join where a topic has come anew under its name', [lead([a(4)]), lead([a(0, { topicId: 'another' })])]],
  ])('do not %s', (_, orders) => {
    expect(sentOf(orders)).toEqual(orders);
  });

  it('leave alone what is under way, which the broker may have had already', () => {
    const queue = new CommandQueue();
    queue.put(lead([a(0)]), ignore);
    const first = queue.first()!;
    queue.put(lead([a(1)]), ignore);
    expect([first.order, queue.length]).toEqual([lead([a(0)]), 2]);
    expect(queue.first()).toBe(first);
    expect(queue.done(first)).toBe(true);
    expect(drained(queue)).toEqual([lead([a(1)])]);
  });

  it('tell everybody whose command was joined what came of it', () => {
    const queue = new CommandQueue();
    const heard: string[] = [];
    queue.put(lead([a(0)]), () => heard.push('first'));
    queue.put(know([a(0)]), () => heard.push('metadata'));
    queue.put(lead([a(1)]), () => heard.push('second'));
    const first = queue.first()!;
    for (const tell of first.heard) tell({ errorCode: 0, partitions: [] });
    expect(heard).toEqual(['first', 'second']);
    for (const { heard: others } of queue.drop()) for (const tell of others) tell(undefined);
    expect(heard).toEqual(['first', 'second', 'first', 'second', 'metadata']);
    expect([queue.length, queue.done(first)]).toEqual([0, false]);
  });
});

/** What a broker knows after commands: what it does for its replicas, and what it tells clients. */
class Knowledge {
  readonly replicas = new Map<string, string>();
  readonly metadata = new Map<string, string>();
  live: readonly number[] = [];
  /** What it knew whenever it was to stop replicas, or heard who is there. */
  readonly seen: unknown[] = [];

  take({ api, command }: Order): void {
    if (api === 'StopReplica') {
      for (const { topic, partition } of command.partitions) this.replicas.delete(`${topic}-${partition}`);
    } else {
      const known = api === 'LeaderAndIsr' ? this.replicas : this.metadata;
      for (const { topic, partition, leaderEpoch, topicId } of command.partitions) {
        known.set(`${topic}-${partition}`, `${topicId} in ${leaderEpoch}`);
      }
      if (api === 'UpdateMetadata') this.live = command.liveBrokers.map(({ id }) => id);
    }
    const isBarrier = api === 'StopReplica' || (api === 'UpdateMetadata' && command.partitions.length === 0);
    if (isBarrier) this.seen.push(this.snapshot());
  }

  snapshot(): unknown {
    const sorted = (known: Map<string, string>): unknown => [...known].sort(([one], [other]) => (one < other ? -1 : 1));
    return [sorted(this.replicas), sorted(this.metadata), this.live];
  }
}

describe('a broker that gets joined commands', () => {
  const said = fc.uniqueArray(
    fc.record({ topic: fc.constantFrom('a', 'b', 'c'), partition: fc.nat(2), topicId: fc.constantFrom('x', 'x', 'y') }),
    { minLength: 1, maxLength: 4, selector: ({ topic, partition }) => `${topic}-${partition}` },
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: said.map((states) => ({ does: 'lead' as const, states })) },
    { weight: 4, arbitrary: said.map((states) => ({ does: 'know' as const, states })) },
    { weight: 1, arbitrary: fc.constant({ does: 'live' as const, states: [] }) },
    { weight: 1, arbitrary: said.map((states) => ({ does: 'stop' as const, states })) },
    { weight: 3, arbitrary: fc.constant({ does: 'answer' as const, states: [] }) },
  );

  it('knows in the end, and whenever replicas stop or brokers come and go, what it would know of single ones', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new CommandQueue();
        const single = new Knowledge();
        const broker = new Knowledge();
        const answered = new Set<number>();
        let told = 0;
        const answer = (): void => {
          const first = queue.first();
          if (first === undefined) return;
          broker.take(first.order);
          queue.done(first);
          for (const tell of first.heard) tell({ errorCode: 0, partitions: [] });
        };
        for (const [epoch, { does, states }] of steps.entries()) {
          if (does === 'answer') {
            answer();
            continue;
          }
          const now = states.map((state) => ({ ...state, leaderEpoch: epoch }));
          const live = [epoch];
          const order = { lead: lead(now), know: know(now, live), live: know([], live), stop: stop(...now) }[does];
          single.take(order);
          const number = told;
          told += 1;
          queue.put(order, () => answered.add(number));
          // The first goes at once.
          if (queue.length === 1) queue.first();
        }
        while (queue.length > 0) answer();
        expect(broker.snapshot()).toEqual(single.snapshot());
        expect(broker.seen).toEqual(single.seen);
        expect(answered.size).toBe(told);
      }),
    );
  });
});
