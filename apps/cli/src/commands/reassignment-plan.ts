import type { TopicPartition } from '@millrace/client';

/** A partition and the brokers that hold it, the preferred leader first. */
export interface PlacedPartition extends TopicPartition {
  readonly replicas: readonly number[];
  /** The log directory of each replica, where one is wished for. */
  readonly logDirs?: readonly (string | undefined)[];
}

/** A broker that may hold partitions. */
export interface PlanBroker {
  readonly id: number;
  /** Null where it tells none; brokers without racks are all in one. */
  readonly rack: string | null;
}

/** What a plan is to look like. */
export interface PlanOptions {
  /** Replicas of each partition; as many as it has, where nothing is said. */
  readonly replicationFactor?: number | undefined;
}

/**
 * Spreads partitions over brokers. Each topic's replicas and leaders are spread evenly, then those of all topics together; no rack
 * holds more replicas of a partition than it must; and what can stay where it is stays, since every move copies a partition's data.
 * (Kafka's tool places everything anew by chance.)
 *
 * A partition never gets more replicas than there are brokers: who calls has checked that.
 */
export function planReassignment(
  partitions: readonly PlacedPartition[],
  brokers: readonly PlanBroker[],
  options: PlanOptions = {},
): PlacedPartition[] {
  const plan = new Plan(partitions, brokers, options);
  plan.keep();
  plan.fill();
  plan.level();
  return plan.withLeaders();
}

/** A partition while it is planned. */
interface Draft extends TopicPartition {
  readonly before: readonly number[];
  readonly factor: number;
  readonly rackMax: number;
  readonly replicas: Set<number>;
}

class Plan {
  readonly #drafts: readonly Draft[];
  readonly #topics = new Map<string, Draft[]>();
  readonly #ids: readonly number[];
  readonly #rackOf: ReadonlyMap<number, string | null>;
  readonly #load: Load;

  constructor(partitions: readonly PlacedPartition[], brokers: readonly PlanBroker[], options: PlanOptions) {
    this.#ids = brokers.map(({ id }) => id).sort((a, b) => a - b);
    this.#rackOf = new Map(brokers.map(({ id, rack }) => [id, rack]));
    this.#load = new Load();
    const racks = new Set(this.#rackOf.values()).size;
    this.#drafts = partitions.map(({ topic, partition, replicas }) => {
      const factor = options.replicationFactor ?? replicas.length;
      return { topic, partition, before: replicas, factor, rackMax: Math.ceil(factor / racks), replicas: new Set() };
    });
    for (const draft of this.#drafts) {
      const others = this.#topics.get(draft.topic);
      if (others === undefined) this.#topics.set(draft.topic, [draft]);
      else others.push(draft);
    }
  }

  /** Leaves replicas where they are, as far as no broker gets more of a topic than its share. */
  keep(): void {
    for (const [topic, drafts] of this.#topics) {
      const share = Math.ceil(drafts.reduce((sum, { factor }) => sum + factor, 0) / this.#ids.length);
      // Of every partition the first one first, so that what is too much on a broker is spread over the partitions.
      const rounds = Math.max(0, ...drafts.map(({ before }) => before.length));
      for (let round = 0; round < rounds; round += 1) {
        for (const draft of drafts) {
          const id = draft.before[round];
          if (id === undefined || !this.#fits(draft, id) || draft.replicas.size === draft.factor) continue;
          if (this.#load.of(topic, id) < share) this.#add(draft, id);
        }
      }
    }
  }

  /** Finds a place for every replica that has none. */
  fill(): void {
    for (const draft of this.#drafts) {
      while (draft.replicas.size < draft.factor) {
        const free = this.#ids.filter((id) => !draft.replicas.has(id));
        const best = free.reduce((a, b) => (this.#compare(draft, b, a) < 0 ? b : a));
        this.#add(draft, best);
      }
    }
  }

  /** Evens out what the order of filling has left: first within each topic, then between the brokers as a whole. */
  level(): void {
    for (const [topic, drafts] of this.#topics) {
      this.#moveWhile(drafts, (from, to) => this.#load.of(topic, from) > this.#load.of(topic, to) + 1);
    }
    this.#moveWhile(
      this.#drafts,
      (from, to, { topic }) =>
        this.#load.total(from) > this.#load.total(to) + 1 && this.#load.of(topic, from) > this.#load.of(topic, to),
    );
  }

  /** Each move makes the sum of the squares of the loads smaller, so it ends. */
  #moveWhile(drafts: readonly Draft[], helps: (from: number, to: number, draft: Draft) => boolean): void {
    let moved = true;
    while (moved) {
      moved = false;
      for (const draft of drafts) {
        for (const from of draft.replicas) {
          const to = this.#ids.find(
            (id) => !draft.replicas.has(id) && helps(from, id, draft) && this.#keepsRacks(draft, from, id),
          );
          if (to === undefined) continue;
          this.#remove(draft, from);
          this.#add(draft, to);
          moved = true;
        }
      }
    }
  }

  #add(draft: Draft, id: number): void {
    draft.replicas.add(id);
    this.#load.add(draft.topic, id, 1);
  }

  #remove(draft: Draft, id: number): void {
    draft.replicas.delete(id);
    this.#load.add(draft.topic, id, -1);
  }

  #inRackOf(draft: Draft, id: number): number {
    const rack = this.#rackOf.get(id);
    let count = 0;
    for (const each of draft.replicas) if (this.#rackOf.get(each) === rack) count += 1;
    return count;
  }

  #fits(draft: Draft, id: number): boolean {
    return this.#rackOf.has(id) && this.#inRackOf(draft, id) < draft.rackMax;
  }

  #keepsRacks(draft: Draft, from: number, to: number): boolean {
    const stays = this.#rackOf.get(from) === this.#rackOf.get(to) ? 1 : 0;
    return this.#inRackOf(draft, to) - stays < draft.rackMax;
  }

  /** Which broker is the better place for one more replica. */
  #compare(draft: Draft, a: number, b: number): number {
    return (
      this.#inRackOf(draft, a) - this.#inRackOf(draft, b) ||
      this.#load.of(draft.topic, a) - this.#load.of(draft.topic, b) ||
      this.#load.total(a) - this.#load.total(b) ||
      distance(a, draft.partition, this.#ids) - distance(b, draft.partition, this.#ids)
    );
  }

  withLeaders(): PlacedPartition[] {
    const leaders = new Load();
    const leaderOf = new Map<Draft, number>();
    for (const [topic, drafts] of this.#topics) chooseLeaders(topic, drafts, leaders, leaderOf);
    return this.#drafts.map((draft) => {
      const leader = leaderOf.get(draft)!;
      const kept = draft.before.filter((id) => id !== leader && draft.replicas.has(id));
      const come = [...draft.replicas].filter((id) => id !== leader && !kept.includes(id));
      return { topic: draft.topic, partition: draft.partition, replicas: [leader, ...kept, ...come] };
    });
  }
}

/** Where all else is equal, one partition begins its search where the one before it ended. */
function distance(id: number, partition: number, ids: readonly number[]): number {
  return (ids.indexOf(id) - (partition % ids.length) + ids.length) % ids.length;
}

/**
 * Gives a topic's partitions their preferred leaders, as evenly as their replicas allow. Those there are stay, and the rest are given around
 * them; only what is uneven then is shifted. So a leader that need not move does not, whatever the order of the partitions, and a
 * plan has nothing to do with what a plan has made.
 */
function chooseLeaders(topic: string, drafts: readonly Draft[], leaders: Load, leaderOf: Map<Draft, number>): void {
  const give = (draft: Draft, leader: number): void => {
    leaderOf.set(draft, leader);
    leaders.add(topic, leader, 1);
  };
  for (const draft of drafts) {
    const [first] = draft.before;
    if (first !== undefined && draft.replicas.has(first)) give(draft, first);
  }
  for (const draft of drafts) {
    if (leaderOf.has(draft)) continue;
    const best = [...draft.replicas].reduce((a, b) => {
      const order = leaders.of(topic, b) - leaders.of(topic, a) || leaders.total(b) - leaders.total(a);
      return order < 0 ? b : a;
    });
    give(draft, best);
  }
  while (shiftOne(topic, drafts, leaders, leaderOf));
}

/** Takes one leader from a broker that has two more than another, over brokers in between where it must be; false when none has. */
function shiftOne(topic: string, drafts: readonly Draft[], leaders: Load, leaderOf: Map<Draft, number>): boolean {
  const starts = [...new Set(leaderOf.values())].sort((a, b) => leaders.of(topic, b) - leaders.of(topic, a));
  for (const start of starts) {
    const cameBy = new Map<number, { readonly from: number; readonly draft: Draft }>();
    const queue = [start];
    for (let at = 0; at < queue.length; at += 1) {
      const from = queue[at]!;
      if (leaders.of(topic, start) > leaders.of(topic, from) + 1) {
        for (let to = from; to !== start; ) {
          const step = cameBy.get(to)!;
          leaderOf.set(step.draft, to);
          to = step.from;
        }
        leaders.add(topic, start, -1);
        leaders.add(topic, from, 1);
        return true;
      }
      for (const draft of drafts) {
        if (leaderOf.get(draft) !== from) continue;
        for (const to of draft.replicas) {
          if (to === start || cameBy.has(to)) continue;
          cameBy.set(to, { from, draft });
          queue.push(to);
        }
      }
    }
  }
  return false;
}

/** How much brokers have, of each topic and in all. */
class Load {
  readonly #byTopic = new Map<string, Map<number, number>>();
  readonly #totals = new Map<number, number>();

  of(topic: string, id: number): number {
    return this.#byTopic.get(topic)?.get(id) ?? 0;
  }

  total(id: number): number {
    return this.#totals.get(id) ?? 0;
  }

  add(topic: string, id: number, change: 1 | -1): void {
    let counts = this.#byTopic.get(topic);
    if (counts === undefined) {
      counts = new Map();
      this.#byTopic.set(topic, counts);
    }
    counts.set(id, this.of(topic, id) + change);
    this.#totals.set(id, this.total(id) + change);
  }
}
