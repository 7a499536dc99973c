import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { Pending } from '../history.ts';
import type { ClientTools, SimulatedClient } from './client.ts';
import type { FetchPlan } from './fetching.ts';
import { GroupProtocol, type GroupVersions, type Membership } from './group-protocol.ts';
import { EARLIEST, listOffsets } from './offsets.ts';
import { PartitionReader } from './partition-reader.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';

/** The plan of a group's member. */
export interface GroupMemberPlan {
  readonly name: string;
  readonly group: string;
  /** What the whole group reads. */
  readonly partitions: readonly PartitionRef[];
  readonly versions: GroupVersions;
  readonly fetch: FetchPlan;
  readonly listOffsetsVersion: number;
  readonly sessionTimeoutMs: number;
  readonly pauseMsMax: number;
  /** Of a hundred rounds, in how many the positions are committed. */
  readonly commitPercent: number;
  /** Of a thousand rounds, in how many it leaves, with a word or without. */
  readonly leavePerMille: number;
}

/** Answers to a commit after which it has certainly not happened. */
const NOT_COMMITTED: ReadonlySet<number> = new Set([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.FENCED_INSTANCE_ID,
]);

const RETRY_MS = 80;

/** A consumer in a group: joins, reads what it is given from what is committed on, commits what it has read, and comes and goes. */
export class GroupMember implements SimulatedClient {
  readonly name: string;
  readonly #plan: GroupMemberPlan;
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #protocol: GroupProtocol;
  readonly #reader: PartitionReader;
  #memberId = '';
  #member: Membership | undefined;
  #isStopped = false;

  constructor(plan: GroupMemberPlan, tools: ClientTools) {
    this.name = plan.name;
    this.#plan = plan;
    this.#tools = tools;
    this.#router = new Router(plan.name, tools);
    this.#protocol = new GroupProtocol(plan.group, this.#router, plan.versions, plan.fetch.timeoutMs);
    this.#reader = new PartitionReader(tools, this.#router, plan.fetch, plan.group);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      try {
        if (this.#member === undefined) await this.#join();
        else await this.#round(this.#member);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        this.#tools.trace?.(this.name, error.message);
        await clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #join(): Promise<void> {
    const { clock, dice } = this.#tools;
    if (!(await this.#protocol.find())) return clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
    const answer = await this.#protocol.join(this.#memberId, this.#plan.sessionTimeoutMs);
    this.#memberId = answer.memberId;
    if (answer.errorCode !== ErrorCode.NONE) {
      if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) return;
      this.#trace('join', answer.errorCode);
      if (answer.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
      return clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
    }
    const member = { memberId: answer.memberId, generation: answer.generationId };
    const isLeader = answer.leader === answer.memberId;
    const members = isLeader ? answer.members.map(({ memberId }) => memberId) : [];
    const names = await this.#protocol.sync(member, this.#deal(members));
    if (typeof names === 'number') return this.#lost('sync', names);
    await this.#takeUp(member, names);
  }

  /** Gives the members the partitions in turn. */
  #deal(members: readonly string[]): Map<string, string[]> {
    const shares = new Map(members.map((id) => [id, [] as string[]]));
    this.#plan.partitions.forEach(({ name }, index) => {
      shares.get(members[index % members.length] ?? '')?.push(name);
    });
    return shares;
  }

  async #takeUp(member: Membership, names: readonly string[]): Promise<void> {
    const { clock, history } = this.#tools;
    const mine = this.#plan.partitions.filter(({ name }) => names.includes(name));
    let offsets: Map<PartitionRef, number> | undefined;
    while (offsets === undefined && !this.#isStopped) {
      const start = history.tick();
      offsets = mine.length === 0 ? new Map<PartitionRef, number>() : await this.#protocol.committed(mine);
      if (offsets === undefined) await clock.sleep(RETRY_MS);
      const end = history.tick();
      const { group } = this.#protocol;
      for (const [partition, offset] of offsets ?? []) {
        history.add({ kind: 'committed', start, end, client: this.name, group, partition: partition.name, offset });
      }
    }
    if (offsets === undefined) return;
    const positions = Array.from(offsets, ([partition, offset]) => [partition, Math.max(offset, 0)] as const);
    this.#reader.assign(new Map(positions), member.generation);
    this.#member = member;
  }

  /** What a consumer does again and again: read, commit, tell that it lives. */
  async #round(member: Membership): Promise<void> {
    const { clock, dice } = this.#tools;
    const { pauseMsMax, commitPercent, leavePerMille } = this.#plan;
    await clock.sleep(dice.time(0, pauseMsMax));
    await this.#reader.poll();
    for (const partition of [...this.#reader.lost]) await this.#reset(partition, member);
    if (dice.chance(commitPercent)) await this.#commit(member);
    if (this.#member === undefined) return;
    if (dice.chance(leavePerMille / 10)) return this.#leave(member.memberId);
    const errorCode = await this.#protocol.heartbeat(member);
    if (errorCode === ErrorCode.NONE) return;
    // Before it gives up its partitions a consumer commits what it has read.
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS && dice.chance(70)) await this.#commit(member);
    this.#lost('heartbeat', errorCode);
  }

  async #commit(member: Membership): Promise<void> {
    const { positions } = this.#reader;
    if (positions.size === 0) return;
    const { history } = this.#tools;
    const { group } = this.#protocol;
    const pending = new Map<PartitionRef, Pending>();
    for (const [partition, offset] of positions) {
      pending.set(partition, history.commit({ client: this.name, group, partition: partition.name, offset }));
    }
    const codes = await this.#protocol.commit(member, new Map(positions));
    for (const [partition, errorCode] of codes) {
      if (errorCode === ErrorCode.NONE) pending.get(partition)?.ok();
      else if (NOT_COMMITTED.has(errorCode)) pending.get(partition)?.failed();
    }
    const refused = [...codes.values()].find((code) => code !== ErrorCode.NONE);
    if (refused !== undefined) this.#trace('commit', refused);
    if (refused !== undefined && NOT_COMMITTED.has(refused)) this.#lost('commit', refused);
  }

  async #leave(memberId: string): Promise<void> {
    const { clock, dice } = this.#tools;
    const saysSo = dice.chance(50);
    this.#tools.trace?.(this.name, saysSo ? 'leaves' : 'falls silent');
    this.#member = undefined;
    this.#memberId = '';
    this.#reader.assign(new Map(), -1);
    if (saysSo) await this.#protocol.leave(memberId);
    else this.#router.disconnect('the client was killed');
    await clock.sleep(dice.time(0, 1000));
  }

  /** The membership does not hold any more; the id may. */
  #lost(what: string, errorCode: number): void {
    this.#trace(what, errorCode);
    const mayRetry =
      errorCode === ErrorCode.NOT_COORDINATOR ||
      errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE ||
      errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    if (mayRetry && this.#member !== undefined) return;
    this.#member = undefined;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
    this.#reader.assign(new Map(), -1);
  }

  async #reset(partition: PartitionRef, { generation }: Membership): Promise<void> {
    const { listOffsetsVersion, fetch } = this.#plan;
    const found = await listOffsets(this.#router, listOffsetsVersion, [partition], EARLIEST, fetch.timeoutMs);
    const earliest = found.get(partition);
    if (earliest !== undefined) this.#reader.seek(partition, earliest, generation);
  }

  #trace(what: string, errorCode: number): void {
    this.#tools.trace?.(this.name, `${what}: ${errorInfo(errorCode).name}`);
  }
}
