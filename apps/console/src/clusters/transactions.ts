import { AdminItemsError, type DescribedTransaction, type ListedTransaction } from '@millrace/admin';
import type { TransactionList, TransactionRow } from '../api/contract.ts';
import type { Cluster } from './cluster.ts';
import { BROKER_TIMEOUT_MS, ofEachBroker } from './topic-look.ts';

/** Transactional ids that are described, those that are at work before the others: more than that nobody reads. */
const DESCRIBED_MAX = 500;

/** The transactional ids of the cluster with what is known of their transactions; no coordinator has the others' ids wait for it. */
export function listTransactions(cluster: Cluster): Promise<TransactionList> {
  return cluster.look('transactions', async () => {
    const { told, silentBrokers } = await ofEachBroker(cluster, (brokerIds) =>
      cluster.admin.listTransactions({ brokerIds, timeoutMs: BROKER_TIMEOUT_MS }),
    );
    const listed = told.toSorted((a, b) => rank(a) - rank(b) || (a.transactionalId < b.transactionalId ? -1 : 1));
    const described = await describeAll(
      cluster,
      listed.slice(0, DESCRIBED_MAX).map(({ transactionalId }) => transactionalId),
    );
    return { transactions: listed.map((each) => rowOf(each, described.get(each.transactionalId))), silentBrokers };
  });
}

function rank({ state }: ListedTransaction): number {
  if (state === 'Ongoing') return 0;
  return state.startsWith('Prepare') ? 1 : 2;
}

/** Ids that are gone by now are left out, and those whose coordinator does not answer. */
async function describeAll(cluster: Cluster, ids: readonly string[]): Promise<Map<string, DescribedTransaction>> {
  if (ids.length === 0) return new Map();
  const describe = async (some: readonly string[]): Promise<Map<string, DescribedTransaction>> =>
    new Map(
      (await cluster.admin.describeTransactions(some, { timeoutMs: BROKER_TIMEOUT_MS })).map((each) => [
        each.transactionalId,
        each,
      ]),
    );
  try {
    return await describe(ids);
  } catch (error) {
    if (!(error instanceof AdminItemsError)) throw error;
    const there = ids.filter((id) => !error.failures.has(id));
    return there.length === 0 || there.length === ids.length ? new Map() : describe(there);
  }
}

function rowOf(listed: ListedTransaction, described: DescribedTransaction | undefined): TransactionRow {
  return {
    id: listed.transactionalId,
    state: described?.state ?? listed.state,
    producerId: listed.producerId,
    coordinator: listed.coordinatorId,
    epoch: described?.producerEpoch,
    timeoutMs: described?.timeoutMs,
    startedMs: described?.startTimestamp,
    partitions: described?.partitions ?? [],
  };
}
