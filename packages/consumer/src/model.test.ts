/**
 * Consumers of a group on a simulated cluster, with everything that can happen to them in random order: members that come, go and
 * crash, connections that are cut, leaders and coordinators that move, partitions that are added, handlers that take their time.
 */
import { seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rangeAssignor } from './assignors/range.ts';
import { cooperativeStickyAssignor } from './assignors/sticky.ts';
import type { ConsumerEngine } from './engine.ts';
import { decodeAssignment } from './group/subscription-protocol.ts';
import { RecordIterator } from './reading/iterators.ts';
import { startRun } from './reading/run.ts';
import type { ConsumerRecord } from './record.ts';
import { type Harness, newHarness } from './testing/harness.ts';

const TOPIC = 't';
const RUNS = Number(process.env.MODEL_RUNS ?? 60);
const STEPS_MAX = 25;

interface Member {
  readonly engine: ConsumerEngine;
  readonly done: Promise<void>;
  readonly isLoop: boolean;
  /** Next offset that may come of a partition that is owned; undefined before the first. */
  readonly owned: Map<number, { next: number | undefined }>;
  crashed: boolean;
}

class Model {
  readonly harness: Harness;
  readonly members: Member[] = [];
  /** Offsets that some handler has finished, by partition. */
  readonly processed: Set<number>[] = [];
  readonly written: number[] = [];
  readonly problems: string[] = [];
  readonly #random: { nextInt(bound: number): number };
  #faultsUntilMs = 0;
  /** Whether nothing has happened yet that lets the group count out a member which goes on: until then nobody shares. */
  #calm = true;
  /** Handlers at work, by partition. */
  readonly #handling = new Map<number, number>();

  constructor(seed: number, partitions: number) {
    this.harness = newHarness(seed);
    this.#random = seededRandom(seed);
    const { cluster, clock } = this.harness;
    cluster.createTopic(TOPIC, partitions);
    for (let p = 0; p < partitions; p += 1) this.#addPartition();
    cluster.latencyMs = () => 1 + this.#random.nextInt(5);
    cluster.fault = (_api, consumer) => {
      if (this.members[consumer]?.crashed) return 'lost-request';
      if (clock.monotonic() >= this.#faultsUntilMs || this.#random.nextInt(3) > 0) return 'none';
      return this.#random.nextInt(2) === 0 ? 'lost-request' : 'lost-response';
    };
    cluster.group.onCommit = (_topic, partition, offset) => {
      for (let below = 0; below < offset; below += 1) {
        if (!this.processed[partition]?.has(below)) {
          this.problems.push(`offset ${offset} of partition ${partition} was committed, but ${below} is not processed`);
          return;
        }
      }
    };
  }

  #addPartition(): void {
    this.processed.push(new Set());
    this.written.push(0);
  }

  addMember(kind: number): void {
    const owned: Member['owned'] = new Map();
    const index = this.members.length;
    const drop = (partitions: readonly { partition: number }[]): void => {
      for (const { partition } of partitions) owned.delete(partition);
    };
    const engine = this.harness.engine({
      groupId: 'g',
      autoOffsetReset: 'earliest',
      assignors: kind === 0 ? [rangeAssignor] : [cooperativeStickyAssignor, rangeAssignor],
      sessionTimeoutMs: 10_000,
      maxPollIntervalMs: 30_000,
      autoCommitIntervalMs: 500,
      requestTimeoutMs: 3_000,
      partitionBytesMax: 200,
      metadataMaxAgeMs: 5_000,
      onPartitionsAssigned: (partitions) => {
        for (const { partition } of partitions) {
          if (owned.has(partition)) this.problems.push(`partition ${partition} was assigned twice to ${index}`);
          const other = this.members.findIndex((one, at) => at !== index && one.owned.has(partition));
          if (other >= 0 && this.#calm) {
            this.problems.push(`partition ${partition} was assigned to ${index} while ${other} owns it`);
          }
          owned.set(partition, { next: undefined });
        }
      },
      onPartitionsRevoked: drop,
      onPartitionsLost: drop,
    });
    engine.subscribe(TOPIC);
    const isLoop = this.#random.nextInt(3) === 0;
    const done = isLoop ? this.#loop(engine, index) : this.#run(engine, index);
    done.catch((error: unknown) => this.problems.push(`member ${index} failed: ${error}`));
    this.members.push({ engine, done, isLoop, owned, crashed: false });
  }

  #run(engine: ConsumerEngine, index: number): Promise<void> {
    return startRun<Buffer, Buffer>(engine, seededRandom(1), {
      concurrency: 1 + this.#random.nextInt(3),
      eachRecord: (record) => this.#handle(index, record),
    });
  }

  async #loop(engine: ConsumerEngine, index: number): Promise<void> {
    for await (const record of new RecordIterator<Buffer, Buffer>(engine)) await this.#handle(index, record);
  }

  async #handle(index: number, { partition, offset }: ConsumerRecord): Promise<void> {
    const { clock } = this.harness;
    this.#handedOut(index, partition, offset);
    const others = this.#handling.get(partition) ?? 0;
    if (others > 0 && this.#calm) this.problems.push(`${partition}@${offset} is handled beside another record`);
    this.#handling.set(partition, others + 1);
    if (this.#random.nextInt(2) === 0) {
      await new Promise<void>((resolve) => void clock.schedule(this.#random.nextInt(40), resolve));
    }
    this.processed[partition]?.add(offset);
    this.#handling.set(partition, (this.#handling.get(partition) ?? 1) - 1);
  }

  #handedOut(index: number, partition: number, offset: number): void {
    const member = this.members[index];
    const tenure = member?.owned.get(partition);
    if (tenure === undefined) {
      this.problems.push(`${partition}@${offset} was handed to ${index}, which does not own it`);
    } else if (tenure.next !== undefined && tenure.next !== offset) {
      this.problems.push(`${partition}@${offset} was handed to ${index} instead of ${tenure.next}`);
    } else if (tenure.next === undefined && offset > 0 && !this.processed[partition]?.has(offset - 1)) {
      this.problems.push(`${index} began with ${partition}@${offset}, but the one before is not processed`);
    }
    if (tenure !== undefined) tenure.next = offset + 1;
  }

  /** Has a member read again some of what it has read. */
  #seekBack({ engine, owned }: Member, number: number): void {
    for (const [partition, tenure] of owned) {
      if (tenure.next === undefined || engine.partitions.get(TOPIC, partition) === undefined) continue;
      // Not beyond the record that may be in a handler's hands: that would say that it need not be finished.
      const offset = Math.max(tenure.next - 1 - number, 0);
      engine.seek(TOPIC, partition, offset);
      tenure.next = offset;
    }
  }

  write(partition: number, count: number): void {
    const at = partition % this.written.length;
    const log = this.harness.cluster.log(TOPIC, at);
    for (let i = 0; i < count; i += 1) log.append([`${this.written[at]}`]);
    this.written[at] = log.endOffset;
    this.harness.cluster.changed();
  }

  async step([kind, number, ms]: readonly [number, number, number]): Promise<void> {
    const { cluster, clock } = this.harness;
    const alive = this.members.filter(({ crashed, engine }) => !crashed && !engine.closed);
    const one = alive[number % Math.max(alive.length, 1)];
    switch (kind) {
      case 0:
        if (alive.length < 4) this.addMember(number % 3);
        break;
      case 1:
        if (alive.length > 1) {
          // Closing does not wait for the body of a loop.
          if (one?.isLoop === true) this.#calm = false;
          void one?.engine.close(5_000);
        }
        break;
      case 2:
        if (alive.length > 1 && one !== undefined) {
          this.#calm = false;
          one.crashed = true;
        }
        break;
      case 3:
        this.#calm = false;
        this.#faultsUntilMs = clock.monotonic() + ms * 6;
        break;
      case 4: {
        const log = cluster.log(TOPIC, number % this.written.length);
        log.elect(log.leaderId === 1 ? 2 : 1);
        cluster.changed();
        break;
      }
      case 5:
        cluster.coordinatorId = cluster.coordinatorId === 1 ? 2 : 1;
        break;
      case 6:
        if (this.written.length < 6) {
          cluster.addPartitions(TOPIC, 1);
          this.#addPartition();
        }
        break;
      case 7:
        cluster.dropSessions();
        break;
      case 9:
        this.#calm = false;
        if (one !== undefined) cluster.group.remove(one.engine.membership?.memberId ?? '');
        break;
      case 8:
        if (one !== undefined) this.#seekBack(one, number);
        break;
      default:
        this.write(number, 1 + number * 3);
    }
    await clock.advanceAsync(ms);
  }

  /** Lets everything come to rest: what was written must be processed and committed. */
  async settle(): Promise<void> {
    const { harness } = this;
    this.#faultsUntilMs = 0;
    if (!this.members.some(({ crashed, engine }) => !crashed && !engine.closed)) this.addMember(1);
    const isDone = (): boolean =>
      this.problems.length > 0 ||
      this.written.every(
        (end, partition) => harness.cluster.group.committed.get(`${TOPIC}/${partition}`)?.offset === end || end === 0,
      );
    await harness.until('everything is processed and committed', isDone, 180_000);
    const isBalanced = (): boolean => this.problems.length > 0 || this.#isBalanced();
    await harness.until('members own what the group says', isBalanced, 180_000);
  }

  /** Whether the group's members are those that live, each reading what it was assigned, and together all there is. */
  #isBalanced(): boolean {
    const { group } = this.harness.cluster;
    const alive = this.members.filter(({ crashed, engine }) => !crashed && !engine.closed);
    if (group.state !== 'stable' || group.members.size !== alive.length) return false;
    const given = alive.flatMap(({ engine, owned }) => {
      const assignment = group.members.get(engine.membership?.memberId ?? '')?.assignment;
      const partitions = assignment === undefined ? undefined : decodeAssignment(assignment).get(TOPIC);
      const reads = engine.keeper.owned().get(TOPIC) ?? [];
      const agree = isSame(partitions ?? [], reads) && isSame(reads, [...owned.keys()]);
      return agree ? reads : [Number.NaN];
    });
    return isSame(given, [...this.written.keys()]);
  }

  async close(): Promise<void> {
    for (const { engine } of this.members) void engine.close(1_000);
    await this.harness.clock.advanceAsync(20_000);
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return [...a].sort((x, y) => x - y).join() === [...b].sort((x, y) => x - y).join();
}

const steps = fc.array(fc.tuple(fc.nat(14), fc.nat(11), fc.oneof(fc.nat(60), fc.nat(3_000))), {
  minLength: 3,
  maxLength: STEPS_MAX,
  size: 'max',
});

async function play(
  seed: number,
  partitions: number,
  plan: readonly (readonly [number, number, number])[],
): Promise<string[]> {
  const model = new Model(seed, partitions);
  for (let p = 0; p < partitions; p += 1) model.write(p, 5);
  model.addMember(1);
  for (const step of plan) await model.step(step);
  await model.settle();
  await model.close();
  return model.problems;
}

it('processes every record, in order, by its owner, and commits nothing that is not processed, whatever happens', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), steps, async (seed, partitions, plan) => {
      expect(await play(seed, partitions, plan)).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

it('notices a record that is passed over, which proves that the model can fail', async () => {
  const model = new Model(1, 1);
  model.write(0, 5);
  model.harness.cluster.group.committed.set(`${TOPIC}/0`, { offset: 2, leaderEpoch: -1, metadata: '' });
  model.addMember(1);
  await model.settle();
  expect(model.problems[0]).toBe('0 began with 0@2, but the one before is not processed');
});
