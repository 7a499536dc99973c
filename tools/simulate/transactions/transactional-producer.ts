import type { ClientTools, SimulatedClient } from '../clients/client.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { type SessionTraits, TransactionSession } from './session.ts';
import type { TransactionLedger } from './transaction-ledger.ts';

/** What a transactional producer is like. */
export interface TransactionalTraits extends SessionTraits {
  readonly pauseMsMax: number;
  readonly batchesMax: number;
  readonly commitPercent: number;
  /** Of a hundred transactions, how many are aborted while a batch of them is held up by the network. */
  readonly latePercent: number;
}

/** How long one that was replaced waits before it comes back. */
const FENCED_MS_MAX = 900;
/** Of a hundred that do not know where they stand, how many go on in their own name, and not as a new instance. */
const AS_FORMER_PERCENT = 40;
/** Of a hundred transactions, how many are left open. */
const OPEN_PERCENT = 8;
const RECORDS_MAX = 3;

/** Writes in transactions of several batches to several partitions, commits most of them and aborts the others. */
export class TransactionalProducer implements SimulatedClient {
  readonly name: string;
  readonly #traits: TransactionalTraits;
  readonly #partitions: readonly PartitionRef[];
  readonly #tools: ClientTools;
  readonly #session: TransactionSession;
  #isStopped = false;

  constructor(
    traits: TransactionalTraits,
    partitions: readonly PartitionRef[],
    ledger: TransactionLedger,
    tools: ClientTools,
  ) {
    this.name = traits.name;
    this.#traits = traits;
    this.#partitions = partitions;
    this.#tools = tools;
    this.#session = new TransactionSession(traits, ledger, new Router(traits.name, tools), tools);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, this.#traits.pauseMsMax));
      if (this.#isStopped) break;
      if (!this.#session.isReady && !(await this.#session.begin(dice.chance(AS_FORMER_PERCENT)))) continue;
      const isInOrder = await this.#transaction();
      if (isInOrder) continue;
      this.#session.reset();
      await clock.sleep(dice.time(0, FENCED_MS_MAX));
    }
    await this.#session.whenQuiet();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Whether the next one may begin in the same epoch. */
  async #transaction(): Promise<boolean> {
    const { dice } = this.#tools;
    const { latePercent, commitPercent } = this.#traits;
    const session = this.#session;
    const transaction = session.open();
    let isWhole = true;
    for (let batch = dice.between(1, this.#traits.batchesMax); batch > 0 && isWhole; batch -= 1) {
      const values = Array.from({ length: dice.between(1, RECORDS_MAX) }, () => session.value());
      isWhole = await session.write(transaction, dice.pick(this.#partitions), values);
    }
    if (isWhole && latePercent > 0 && dice.chance(latePercent)) {
      await session.writeLate(transaction, dice.pick(this.#partitions), [session.value()]);
      isWhole = false;
    }
    // Some are left open, as by one that dies.
    if (isWhole && dice.chance(OPEN_PERCENT)) return false;
    const commits = isWhole && dice.chance(commitPercent);
    return (await session.end(transaction, commits)) && isWhole;
  }
}
