import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from '../clients/client.ts';
import { type FetchPlan, fetchFrom } from '../clients/fetching.ts';
import { GroupProtocol, type Membership } from '../clients/group-protocol.ts';
import { NoAnswer } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { committedOf, startOf } from './committed-reader.ts';
import { type SessionTraits, TransactionSession } from './session.ts';
import type { TransactionLedger } from './transaction-ledger.ts';

/** The group of all that copy. */
export const COPY_GROUP = 'copiers';
/** The topic that they write to, and nobody else. */
export const COPY_TOPIC = 'copies';
/** Between the value that was copied and what tells one copy from another. */
const COPY_MARK = '+';

/** What one that copies is like. */
export interface CopierTraits extends SessionTraits {
  readonly pauseMsMax: number;
  readonly sessionTimeoutMs: number;
  readonly bytesMax: number;
  readonly commitPercent: number;
  /** Where it is, where brokers have racks: it reads from a follower there. */
  readonly rackId?: string;
  /** Of a thousand transactions, in how many it stands still until its group has gone on without it. */
  readonly stallPerMille: number;
}

const RETRY_MS = 80;
const BATCH_RECORDS_MAX = 3;
const VERSIONS = { find: 3, join: 5, sync: 3, heartbeat: 3, leave: 3, commit: 7, fetch: 7 } as const;
/** How much longer than its session one stands still. */
const STALL_FACTOR = 2;

/** The value that a copy is of; undefined for what is none. */
export function copied(value: string): string | undefined {
  const at = value.indexOf(COPY_MARK);
  return at < 0 ? undefined : value.slice(0, at);
}

/**
 * Reads what is committed, writes it again elsewhere, and commits its positions in the same transactions: each record is to be there
 * once, whatever becomes of the copiers, of which some stand still and come back when others have taken over.
 */
export class Copier implements SimulatedClient {
  readonly name: string;
  readonly #traits: CopierTraits;
  readonly #sources: readonly PartitionRef[];
  readonly #sinks: readonly PartitionRef[];
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #group: GroupProtocol;
  readonly #session: TransactionSession;
  readonly #fetch: FetchPlan;
  readonly #positions = new Map<PartitionRef, number>();
  #memberId = '';
  #member: Membership | undefined;
  #isStopped = false;

  constructor(
    traits: CopierTraits,
    { sources, sinks }: { readonly sources: readonly PartitionRef[]; readonly sinks: readonly PartitionRef[] },
    ledger: TransactionLedger,
    tools: ClientTools,
  ) {
    this.name = traits.name;
    this.#traits = traits;
    this.#sources = sources;
    this.#sinks = sinks;
    this.#tools = tools;
    this.#router = new Router(traits.name, tools);
    this.#group = new GroupProtocol(COPY_GROUP, this.#router, VERSIONS, traits.requestTimeoutMs);
    this.#session = new TransactionSession(traits, ledger, this.#router, tools);
    const { bytesMax, requestTimeoutMs: timeoutMs } = traits;
    this.#fetch = {
      version: 12,
      maxWaitMs: 20,
      minBytes: 1,
      maxBytes: bytesMax,
      partitionMaxBytes: bytesMax,
      timeoutMs,
      readCommitted: true,
      ...(traits.rackId === undefined ? {} : { rackId: traits.rackId }),
    };
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      try {
        await clock.sleep(dice.time(0, this.#traits.pauseMsMax));
        if (this.#member === undefined) await this.#join();
        else await this.#round(this.#member);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        this.#tools.trace?.(this.name, error.message);
        this.#router.forget();
        await clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #join(): Promise<void> {
    const answer = await this.#group.join(this.#memberId, this.#traits.sessionTimeoutMs);
    this.#memberId = answer.memberId;
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) return;
    if (answer.errorCode !== ErrorCode.NONE) return this.#lost('join', answer.errorCode);
    const member = { memberId: answer.memberId, generation: answer.generationId };
    const isLeader = answer.leader === answer.memberId;
    const members = isLeader ? answer.members.map(({ memberId }) => memberId) : [];
    const names = await this.#group.sync(member, this.#deal(members));
    if (typeof names === 'number') return this.#lost('sync', names);
    if (await this.#takeUp(this.#sources.filter(({ name }) => names.includes(name)))) this.#member = member;
  }

  #deal(members: readonly string[]): Map<string, string[]> {
    const shares = new Map(members.map((id) => [id, [] as string[]]));
    this.#sources.forEach(({ name }, index) => {
      shares.get(members[index % members.length] ?? '')?.push(name);
    });
    return shares;
  }

  /** Stands where the group has committed; whether that is known. Nothing is, while a transaction with offsets of them is open. */
  async #takeUp(mine: readonly PartitionRef[]): Promise<boolean> {
    const offsets = mine.length === 0 ? new Map<PartitionRef, number>() : await this.#group.committed(mine);
    if (offsets === undefined) return false;
    this.#positions.clear();
    for (const [partition, offset] of offsets) this.#positions.set(partition, Math.max(offset, 0));
    return true;
  }

  async #round(member: Membership): Promise<void> {
    const { dice } = this.#tools;
    if (!this.#session.isReady && !(await this.#session.begin(false))) return;
    const mine = [...this.#positions.keys()];
    if (mine.length > 0 && !(await this.#copy(member, dice.pick(mine)))) {
      // What became of the offsets is known when they are stable again.
      if (!(await this.#takeUp(mine))) return this.#lost('committed', ErrorCode.UNSTABLE_OFFSET_COMMIT);
    }
    const errorCode = await this.#group.heartbeat(member);
    if (errorCode !== ErrorCode.NONE) this.#lost('heartbeat', errorCode);
  }

  /** Whether the position is known afterwards. */
  async #copy(member: Membership, partition: PartitionRef): Promise<boolean> {
    const { dice } = this.#tools;
    const session = this.#session;
    const offset = this.#positions.get(partition) ?? 0;
    const [fetched] = await fetchFrom(this.#router, [{ partition, offset }], this.#fetch);
    if (fetched?.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) await this.#skipDeleted(partition, offset);
    if (fetched?.errorCode !== ErrorCode.NONE) return true;
    const { records, next } = committedOf(fetched);
    if (records.length === 0) {
      this.#positions.set(partition, next);
      return true;
    }
    const transaction = session.open();
    const values = records.map(([, value]) => session.value(`${value}${COPY_MARK}`));
    let isWhole = true;
    for (let at = 0; at < values.length && isWhole; at += BATCH_RECORDS_MAX) {
      isWhole = await session.write(transaction, dice.pick(this.#sinks), values.slice(at, at + BATCH_RECORDS_MAX));
    }
    await this.#mayStall();
    isWhole &&= await session.sendOffsets(this.#group, member, new Map([[partition, next]]));
    await this.#mayStall();
    const commits = isWhole && dice.chance(this.#traits.commitPercent);
    const isEnded = await session.end(transaction, commits);
    if (!isEnded || !isWhole) session.reset();
    if (!isEnded || !commits) return false;
    this.#positions.set(partition, next);
    return true;
  }

  /** What is deleted is not copied any more. */
  async #skipDeleted(partition: PartitionRef, offset: number): Promise<void> {
    const start = await startOf(this.#router, partition, this.#fetch.timeoutMs);
    if (start !== undefined && start > offset) this.#positions.set(partition, start);
  }

  /** As a process that is paused, or collects its garbage. */
  async #mayStall(): Promise<void> {
    const { clock, dice } = this.#tools;
    const { stallPerMille, sessionTimeoutMs } = this.#traits;
    if (!dice.chance(stallPerMille / 10)) return;
    this.#tools.trace?.(this.name, 'stands still');
    await clock.sleep(dice.time(0, sessionTimeoutMs * STALL_FACTOR));
  }

  #lost(what: string, errorCode: number): void {
    this.#tools.trace?.(this.name, `${what}: ${errorInfo(errorCode).name}`);
    this.#member = undefined;
    this.#positions.clear();
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
  }
}
