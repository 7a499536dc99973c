/**
 * Clients that join, sync, commit, leave, crash and sleep in any order, on a log that stalls and fails and with a broker
 * that restarts: what they see must fit together.
 */
import { ErrorCode } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pending, Pending as PendingAnswer, TestCoordinator } from '../testing/test-groups.ts';
import type { DescribedGroup } from './description.ts';
import type { JoinResult, SyncResult } from './results.ts';

const CLIENTS = 5;
const PARTITIONS = 3;

/** What all clients of one group were told, and the rules that it must keep. */
class History {
  readonly violations: string[] = [];
  readonly #leaders = new Map<number, string>();
  readonly #members = new Map<number, Set<string>>();
  readonly #assignments = new Map<string, string>();
  readonly #committed = new Map<number, number>();
  #lastSynced = 0;
  /** How many members were told their share, so that a run that never gets anywhere is noticed. */
  syncedCount = 0;

  joined({ generationId, leader, memberId, members }: JoinResult): void {
    const known = this.#leaders.get(generationId);
    if (known !== undefined && known !== who(leader)) this.#violated(`generation ${generationId} has two leaders`);
    this.#leaders.set(generationId, who(leader));
    if (members.length > 0) this.#members.set(generationId, new Set(members.map((member) => who(member.memberId))));
    const all = this.#members.get(generationId);
    if (all !== undefined && !all.has(who(memberId))) {
      this.#violated(`generation ${generationId} has a member that its leader does not know`);
    }
  }

  synced(generationId: number, memberId: string, assignment: string): void {
    this.syncedCount += 1;
    this.#lastSynced = Math.max(this.#lastSynced, generationId);
    const key = `${generationId} ${who(memberId)}`;
    const known = this.#assignments.get(key);
    if (known !== undefined && known !== assignment) this.#violated(`${key} has two assignments`);
    this.#assignments.set(key, assignment);
    if (assignment !== '' && assignment !== key) this.#violated(`${key} was given the work of ${assignment}`);
  }

  committed(partition: number, offset: number): void {
    this.#committed.set(partition, Math.max(this.#committed.get(partition) ?? -1, offset));
  }

  read(partition: number, offset: number): void {
    const least = this.#committed.get(partition) ?? -1;
    if (offset < least) this.#violated(`partition ${partition} is at ${offset}, though ${least} was acknowledged`);
  }

  /** A generation is written with its assignment; one that did not get that far is forgotten and its number used again. */
  restarted(): void {
    for (const generationId of [...this.#leaders.keys()]) {
      if (generationId <= this.#lastSynced) continue;
      this.#leaders.delete(generationId);
      this.#members.delete(generationId);
    }
  }

  #violated(rule: string): void {
    this.violations.push(rule);
  }
}

/** A static member is the same one under every member id. */
function who(memberId: string): string {
  return memberId.startsWith('static-') ? 'static' : memberId;
}

/** One consumer that does what the protocol asks of it, when it is told to take a step. */
class Client {
  readonly #test: TestCoordinator;
  readonly #history: History;
  readonly #instance: string | null;
  /** Every JoinGroup that it ever sent. */
  readonly joins: Pending<JoinResult>[] = [];
  #protocol = 0;
  #memberId = '';
  #generationId = -1;
  #join: Pending<JoinResult> | undefined;
  #sync: Pending<SyncResult> | undefined;

  constructor(test: TestCoordinator, history: History, instance: string | null) {
    this.#test = test;
    this.#history = history;
    this.#instance = instance;
  }

  join(protocol: number): void {
    this.#protocol = protocol;
    const protocols = [
      { name: 'range', metadata: Buffer.from([protocol]) },
      { name: 'sticky', metadata: Buffer.from([0]) },
    ];
    if (protocol % 2 === 1) protocols.reverse();
    const join = this.#test.join({
      memberId: this.#memberId,
      groupInstanceId: this.#instance,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 5_000,
      protocols,
    });
    this.#join = join;
    this.joins.push(join);
    void join.promise.then((result) => {
      if (this.#join === join) this.#takeJoin(result);
    });
  }

  #takeJoin(result: JoinResult): void {
    this.#join = undefined;
    if (result.errorCode === ErrorCode.NONE) {
      this.#history.joined(result);
      this.#memberId = result.memberId;
      this.#generationId = result.generationId;
      const { generationId } = result;
      const assignments = result.members.map(({ memberId }) => ({
        memberId,
        assignment: Buffer.from(`${generationId} ${who(memberId)}`),
      }));
      this.#sync = this.#sendSync(result, result.skipAssignment ? [] : assignments);
    } else if (result.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = result.memberId;
      this.join(this.#protocol);
    } else if (result.errorCode === ErrorCode.UNKNOWN_MEMBER_ID || result.errorCode === ErrorCode.FENCED_INSTANCE_ID) {
      this.#memberId = '';
    }
  }

  #sendSync(joined: JoinResult, assignments: { memberId: string; assignment: Buffer }[]): Pending<SyncResult> {
    const sync = new PendingAnswer(this.#test.sync(joined, { groupInstanceId: this.#instance, assignments }));
    void sync.promise.then(({ errorCode, assignment }) => {
      if (errorCode === ErrorCode.NONE) {
        this.#history.synced(joined.generationId, joined.memberId, assignment.toString());
      }
    });
    return sync;
  }

  heartbeat(): void {
    const errorCode = this.#test.heartbeat(
      { memberId: this.#memberId, generationId: this.#generationId },
      this.#instance,
    );
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.FENCED_INSTANCE_ID) this.#memberId = '';
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS && this.#join === undefined) this.join(this.#protocol);
  }

  commit(partition: number, offset: number): void {
    void this.#test
      .commit(offset, {
        partition,
        memberId: this.#memberId,
        generationId: this.#generationId,
        groupInstanceId: this.#instance,
      })
      .then((errorCode) => {
        if (errorCode === ErrorCode.NONE) this.#history.committed(partition, offset);
      });
  }

  leave(): void {
    const reason = null;
    this.#test.groups.leave('group', [{ memberId: this.#memberId, groupInstanceId: this.#instance, reason }]);
    this.crash();
  }

  crash(): void {
    this.#memberId = '';
    this.#generationId = -1;
    this.#join = undefined;
  }

  get waitsForSync(): Pending<SyncResult> | undefined {
    return this.#sync;
  }
}

const weights = {
  join: 8,
  heartbeat: 10,
  commit: 8,
  wait: 8,
  leave: 1,
  crash: 1,
  expire: 1,
  restart: 1,
  hold: 1,
  letGo: 3,
  fail: 1,
  heal: 3,
} as const;
const action = fc.oneof(
  ...Object.entries(weights).map(([name, weight]) => ({
    weight,
    arbitrary: fc.constant(name as keyof typeof weights),
  })),
);
const step = fc.record({ action, client: fc.nat({ max: CLIENTS - 1 }), number: fc.nat({ max: 6_000 }) });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function run(steps: readonly Step[], initialRebalanceDelayMs: number): Promise<number> {
  const test = await TestCoordinator.start({ config: { initialRebalanceDelayMs } });
  const history = new History();
  const clients = Array.from({ length: CLIENTS }, (_, n) => new Client(test, history, n === 0 ? 'static' : null));
  let lastOffset = 0;
  for (const { action, client: index, number } of steps) {
    const client = clients[index]!;
    if (action === 'join') client.join(number % 4);
    else if (action === 'heartbeat') client.heartbeat();
    else if (action === 'commit') client.commit(number % PARTITIONS, ++lastOffset);
    else if (action === 'leave') client.leave();
    else if (action === 'crash') client.crash();
    else if (action === 'wait') await test.advance(number);
    else if (action === 'restart') {
      test.log.letGo();
      await test.settle();
      await checkReload(test);
      history.restarted();
    } else if (action === 'hold') test.log.hold();
    else if (action === 'letGo') test.log.letGo();
    else if (action === 'fail') test.log.appendError = ErrorCode.NOT_ENOUGH_REPLICAS;
    else if (action === 'heal') test.log.appendError = ErrorCode.NONE;
    else if (action === 'expire') expireOne(test, number);
    await test.settle();
    for (let partition = 0; partition < PARTITIONS; partition += 1) history.read(partition, test.offset(partition));
    const { members } = test.groups.describe('group');
    expect(new Set(members.map(({ memberId }) => memberId)).size).toBe(members.length);
  }
  test.log.letGo();
  test.groups.stop();
  await test.settle();
  expect(clients.flatMap(({ joins }) => joins).filter(({ result }) => result === undefined)).toEqual([]);
  expect(clients.filter(({ waitsForSync }) => waitsForSync !== undefined && waitsForSync.result === undefined)).toEqual(
    [],
  );
  expect(test.clock.pendingCount).toBe(0);
  expect(history.violations).toEqual([]);
  return history.syncedCount;
}

function expireOne(test: TestCoordinator, number: number): void {
  const { members } = test.groups.describe('group');
  if (members.length > 0) test.groups.expireMember('group', members[number % members.length]!.memberId);
}

/** What was settled before a restart is there after it. */
async function checkReload(test: TestCoordinator): Promise<void> {
  const before = test.groups.describe('group');
  const offsets = test.groups.fetchOffsets('group', null, false);
  const isWritten = test.log.appendError === ErrorCode.NONE;
  test.restart();
  await test.settle();
  expect(sorted(test.groups.fetchOffsets('group', null, false))).toEqual(sorted(offsets));
  if (before.groupState === 'Stable' && isWritten) expect(byId(test.groups.describe('group'))).toEqual(byId(before));
}

function byId(group: DescribedGroup) {
  return { ...group, members: group.members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1)) };
}

function sorted({ topics }: ReturnType<TestCoordinator['groups']['fetchOffsets']>) {
  return topics.map(({ topic, partitions }) => [topic, partitions.toSorted((a, b) => a.partition - b.partition)]);
}

describe('a group under all that can happen', () => {
  it('has one leader and one assignment a generation, answers everybody, and keeps what it acknowledged', async () => {
    let synced = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 50, maxLength: 200 }),
        fc.constantFrom(0, 3_000),
        async (steps, delayMs) => {
          synced += await run(steps, delayMs);
        },
      ),
      { numRuns: 150 },
    );
    expect(synced).toBeGreaterThan(300);
  });

  it.each([
    [
      'two leaders',
      (history: History) => {
        history.joined(answer(1, 'a', 'a'));
        history.joined(answer(1, 'b', 'b'));
      },
    ],
    [
      'two assignments',
      (history: History) => {
        history.synced(1, 'a', '1 a');
        history.synced(1, 'a', '');
      },
    ],
    ['the work of another', (history: History) => history.synced(2, 'a', '1 a')],
    [
      'a member that nobody knows',
      (history: History) => {
        history.joined({
          ...answer(1, 'a', 'a'),
          members: [{ memberId: 'a', groupInstanceId: null, metadata: Buffer.alloc(0) }],
        });
        history.joined(answer(1, 'b', 'a'));
      },
    ],
    [
      'an offset that goes back',
      (history: History) => {
        history.committed(0, 5);
        history.read(0, 4);
      },
    ],
  ])('would be found out if it had %s', (_name, violate) => {
    const history = new History();
    violate(history);
    expect(history.violations).toHaveLength(1);
  });
});

function answer(generationId: number, memberId: string, leader: string): JoinResult {
  return {
    errorCode: 0,
    generationId,
    protocolType: 'consumer',
    protocolName: 'range',
    leader,
    skipAssignment: false,
    memberId,
    members: [],
  };
}
