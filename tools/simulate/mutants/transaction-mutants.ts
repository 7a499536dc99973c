import { AddPartitionsToTxn, EndTxn, ErrorCode, Fetch, InitProducerId } from '@millrace/protocol';
import type { Build } from '../build.ts';
import { meddlingWith } from './request-mutants.ts';

/** Of a hundred requests, how many a mutant treats badly. */
const BAD_PERCENT = 20;

const acknowledgesEnds: Build = {
  name: 'acknowledges-ends',
  what: 'now and then the end of a transaction is acknowledged and nothing is done about it',
  rule: 'lost-transaction',
  handler: meddlingWith(EndTxn, async ({ ask, tools }) =>
    tools.dice.chance(BAD_PERCENT) ? { errorCode: ErrorCode.NONE } : ask(),
  ),
};

const commitsAborted: Build = {
  name: 'commits-aborted',
  what: 'what is to be aborted is committed',
  rule: 'aborted-read',
  handler: meddlingWith(EndTxn, ({ request, ask }) => ask({ ...request, committed: true })),
};

const abortsCommitted: Build = {
  name: 'aborts-committed',
  what: 'now and then what is to be committed is aborted',
  rule: 'lost-transaction',
  handler: meddlingWith(EndTxn, ({ request, ask, tools }) =>
    ask({ ...request, committed: request.committed && !tools.dice.chance(BAD_PERCENT) }),
  ),
};

const hidesAborted: Build = {
  name: 'hides-aborted',
  what: 'readers are not told which transactions were aborted',
  rule: 'aborted-read',
  handler: meddlingWith(Fetch, async ({ ask }) => {
    const answer = await ask();
    for (const { partitions } of answer?.responses ?? []) {
      for (const partition of partitions) partition.abortedTransactions = [];
    }
    return answer;
  }),
};

const abortsAll: Build = {
  name: 'aborts-too-much',
  what: 'readers are told that a transaction from the beginning on was aborted, of every producer that has ever aborted one',
  rule: 'lost-transaction',
  handler: meddlingWith(Fetch, async ({ ask }) => {
    const answer = await ask();
    for (const { partitions } of answer?.responses ?? []) {
      for (const partition of partitions) {
        const aborted = partition.abortedTransactions ?? [];
        partition.abortedTransactions = aborted.map(({ producerId }) => ({ producerId, firstOffset: 0 }));
      }
    }
    return answer;
  }),
};

const readsUncommitted: Build = {
  name: 'reads-uncommitted',
  what: 'readers of what is committed are given all there is',
  rule: 'aborted-read',
  handler: meddlingWith(Fetch, ({ request, ask }) => ask({ ...request, isolationLevel: 0 })),
};

const fencesNobody: Build = {
  name: 'fences-nobody',
  what: 'a producer that was replaced is told that it has committed',
  rule: 'zombie-commit',
  handler: meddlingWith(EndTxn, async ({ ask }) => {
    const answer = await ask();
    const isFenced =
      answer?.errorCode === ErrorCode.PRODUCER_FENCED || answer?.errorCode === ErrorCode.INVALID_PRODUCER_EPOCH;
    return isFenced ? { errorCode: ErrorCode.NONE } : answer;
  }),
};

const forgetsPartitions: Build = {
  name: 'forgets-partitions',
  what: 'now and then a partition is not noted for its transaction, and nobody verifies that it is',
  rule: 'stuck-transaction',
  settings: { 'transaction.partition.verification.enable': 'false' },
  handler: meddlingWith(AddPartitionsToTxn, async ({ request, ask, tools }) => {
    if (!tools.dice.chance(BAD_PERCENT)) return ask();
    return {
      resultsByTopicV3AndBelow: request.v3AndBelowTopics.map(({ name, partitions }) => ({
        name,
        resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: 0 })),
      })),
    };
  }),
};

const forgetsTimeouts: Build = {
  name: 'forgets-timeouts',
  what: 'transactions are begun with the longest timeout, whatever was asked for',
  rule: 'stuck-transaction',
  handler: meddlingWith(InitProducerId, ({ request, ask }) => ask({ ...request, transactionTimeoutMs: 900_000 })),
};

/** Brokers that are broken where they coordinate transactions and tell of them. Each must be caught by its rule. */
export const transactionMutants: readonly Build[] = [
  acknowledgesEnds,
  commitsAborted,
  abortsCommitted,
  hidesAborted,
  abortsAll,
  readsUncommitted,
  fencesNobody,
  forgetsPartitions,
  forgetsTimeouts,
].map((build): Build => ({ ...build, hasTransactions: true }));
