import {
  AddPartitionsToTxn,
  decodeRequestHeader,
  EndTxn,
  ErrorCode,
  Fetch,
  InitProducerId,
  OffsetCommit,
  OffsetFetch,
  Produce,
  TxnOffsetCommit,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponseInput,
  WriteTxnMarkers,
} from '@millrace/protocol';
import type { Build } from '../build.ts';
import { meddlingWith } from './request-mutants.ts';

/** Of a hundred requests, how many a mutant treats badly. */
const BAD_PERCENT = 20;
/** EndTxn that raises the epoch. */
const RAISING_END = 5;
/** Produce that adds its partitions, which is laid out as the version before it. */
const ADDING_PRODUCE = 12;
const API_VERSION_AT = 2;

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

const readsPastStable: Build = {
  name: 'reads-past-stable',
  what: 'readers of what is committed are given what is not decided yet, with the right list of what was aborted',
  rule: 'aborted-read',
  handler: meddlingWith(Fetch, async ({ request, ask }) => {
    if (request.isolationLevel === 0) return ask();
    const [committed, all] = [await ask(), await ask({ ...request, isolationLevel: 0, maxWaitMs: 0 })];
    for (const { topic, partitions } of all?.responses ?? []) {
      const told = committed?.responses.find((each) => each.topic === topic)?.partitions;
      for (const partition of partitions) {
        const same = told?.find(({ partitionIndex }) => partitionIndex === partition.partitionIndex);
        partition.abortedTransactions = same?.abortedTransactions ?? [];
      }
    }
    return all;
  }),
};

const listsOneAborted: Build = {
  name: 'lists-one-aborted',
  what: 'readers are told of the first transaction alone that was aborted in what they are given',
  rule: 'aborted-read',
  handler: meddlingWith(Fetch, async ({ ask }) => {
    const answer = await ask();
    for (const { partitions } of answer?.responses ?? []) {
      for (const partition of partitions) {
        partition.abortedTransactions = partition.abortedTransactions?.slice(0, 1) ?? null;
      }
    }
    return answer;
  }),
};

const holdsStable: Build = {
  name: 'holds-stable',
  what: 'the last stable offset is told one too low',
  rule: 'stuck-transaction',
  handler: meddlingWith(Fetch, async ({ ask }) => {
    const answer = await ask();
    for (const { partitions } of answer?.responses ?? []) {
      for (const partition of partitions) partition.lastStableOffset -= partition.lastStableOffset > 0 ? 1 : 0;
    }
    return answer;
  }),
};

const takesAnyEpoch: Build = {
  name: 'takes-any-epoch',
  what: 'whoever ends a transaction is taken for its producer of now, whatever epoch he has',
  rule: 'lost-transaction',
  seed: 23,
  handler(inner, tools) {
    /** By transactional id, who got the last epoch. */
    const present = new Map<string, { producerId: number; producerEpoch: number }>();
    const noting = meddlingWith(InitProducerId, async ({ request, ask }) => {
      const answer = await ask();
      if (answer?.errorCode === ErrorCode.NONE) present.set(request.transactionalId ?? '', answer);
      return answer;
    })(inner, tools);
    return meddlingWith(EndTxn, ({ request, ask, version }) => {
      const { producerId, producerEpoch } = present.get(request.transactionalId) ?? request;
      return version < RAISING_END ? ask({ ...request, producerId, producerEpoch }) : ask();
    })(noting, tools);
  },
};

const verifiesNothing: Build = {
  name: 'verifies-nothing',
  what: 'nobody is asked whether a transaction is open, before a batch that comes late begins one',
  rule: 'stuck-transaction',
  settings: { 'transaction.partition.verification.enable': 'false' },
};

const marksBeforeDeciding: Build = {
  name: 'marks-before-deciding',
  what: 'a partition has its marker before the end is written down, and now and then that never is',
  rule: 'torn-transaction',
  settings: { 'transaction.partition.verification.enable': 'false' },
  handler(inner, tools) {
    /** By transactional id, a partition of what is open. */
    const open = new Map<string, { name: string; partitionIndexes: number[] }>();
    const noting = meddlingWith(AddPartitionsToTxn, async ({ request, ask }) => {
      const [topic] = request.v3AndBelowTopics;
      if (topic !== undefined) {
        open.set(request.v3AndBelowTransactionalId, { name: topic.name, partitionIndexes: [...topic.partitions] });
      }
      return ask();
    })(inner, tools);
    return meddlingWith(EndTxn, async ({ request, ask, beside }) => {
      const topic = open.get(request.transactionalId);
      if (!request.committed || topic === undefined || !tools.dice.chance(BAD_PERCENT)) return ask();
      open.delete(request.transactionalId);
      const { producerId, producerEpoch, committed: transactionResult } = request;
      const marker = { producerId, producerEpoch, transactionResult, coordinatorEpoch: 0, topics: [topic] };
      await beside(WriteTxnMarkers, 1, { markers: [marker] });
      // As if the coordinator died between the two.
      return { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR };
    })(noting, tools);
  },
};

const turnsMarkers: Build = {
  name: 'turns-markers',
  what: 'now and then a leader writes the other marker than another broker has told it to',
  rule: 'aborted-read',
  brokers: 3,
  handler: meddlingWith(WriteTxnMarkers, ({ request, ask, tools }) => {
    if (!tools.dice.chance(BAD_PERCENT)) return ask();
    const markers = request.markers.map((each) => ({ ...each, transactionResult: !each.transactionResult }));
    return ask({ ...request, markers });
  }),
};

const losesMarkers: Build = {
  name: 'loses-markers',
  what: 'now and then a leader says that it has written the markers that another broker has sent, and has not',
  rule: 'stuck-transaction',
  brokers: 3,
  handler: meddlingWith(WriteTxnMarkers, async ({ request, ask, tools }) => {
    if (!tools.dice.chance(BAD_PERCENT)) return ask();
    const markers = request.markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode: ErrorCode.NONE })),
      })),
    }));
    return { markers };
  }),
};

const sharesEpochs: Build = {
  name: 'shares-epochs',
  what: 'who asks for an epoch is given that of the one before him, now and then',
  rule: 'shared-epoch',
  handler(inner, tools) {
    const last = new Map<string, { errorCode: number; producerId: number; producerEpoch: number }>();
    return meddlingWith(InitProducerId, async ({ request, ask }) => {
      const id = request.transactionalId ?? '';
      const known = last.get(id);
      if (known !== undefined && tools.dice.chance(BAD_PERCENT)) return known;
      const answer = await ask();
      if (answer?.errorCode === ErrorCode.NONE) last.set(id, answer);
      return answer;
    })(inner, tools);
  },
};

const givesEpochsBack: Build = {
  name: 'gives-epochs-back',
  what: 'ends that are to raise the epoch give the same one back',
  rule: 'kept-epoch',
  handler: meddlingWith(EndTxn, async ({ request, ask, version }) => {
    const answer = await ask();
    if (version < RAISING_END || answer?.errorCode !== ErrorCode.NONE) return answer;
    return { ...answer, producerId: request.producerId, producerEpoch: request.producerEpoch };
  }),
};

const addsNothing: Build = {
  name: 'adds-nothing',
  what: 'a leader takes what is written in the new protocol without adding its partition to the transaction',
  rule: 'stuck-transaction',
  settings: { 'transaction.partition.verification.enable': 'false' },
  handler: (inner) => ({
    handle(frame, connection, admission) {
      const { apiKey, apiVersion } = decodeRequestHeader(frame);
      if (apiKey !== Produce.key || apiVersion < ADDING_PRODUCE) return inner.handle(frame, connection, admission);
      // As of a client that has added it itself, which nobody verifies.
      const old = Buffer.from(frame);
      old.writeInt16BE(ADDING_PRODUCE - 1, API_VERSION_AT);
      return inner.handle(old, connection, admission);
    },
    connectionClosed: (connection) => inner.connectionClosed?.(connection),
  }),
};

/** The answer that all offsets were taken. */
function allTaken({ topics }: TxnOffsetCommitRequest): TxnOffsetCommitResponseInput {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: ErrorCode.NONE })),
    })),
  };
}

const dropsOffsets: Build = {
  name: 'drops-offsets',
  what: 'now and then offsets that are to be committed with a transaction are acknowledged and not written',
  rule: 'records-without-offset',
  handler: meddlingWith(TxnOffsetCommit, async ({ request, ask, tools }) =>
    tools.dice.chance(BAD_PERCENT) ? allTaken(request) : ask(),
  ),
};

const commitsOffsetsAtOnce: Build = {
  name: 'commits-offsets-at-once',
  what: 'offsets that are to be committed with a transaction are committed when they come',
  rule: 'offset-without-records',
  handler: meddlingWith(TxnOffsetCommit, async ({ request, ask, beside }) => {
    const { groupId, generationId, memberId, topics } = request;
    await beside(OffsetCommit, 7, { groupId, generationIdOrMemberEpoch: generationId, memberId, topics });
    return ask();
  }),
};

const tellsUnstable: Build = {
  name: 'tells-unstable',
  what: 'committed offsets are told while newer ones wait for the end of their transaction',
  rule: 'records-without-offset',
  seed: 895,
  handler: meddlingWith(OffsetFetch, ({ request, ask }) => ask({ ...request, requireStable: false })),
};

const asksNoGeneration: Build = {
  name: 'asks-no-generation',
  what: 'offsets are committed with a transaction by whoever sends them, member of the group or not',
  rule: 'records-without-offset',
  seed: 384,
  handler: meddlingWith(TxnOffsetCommit, ({ request, ask }) => ask({ ...request, generationId: -1, memberId: '' })),
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
  verifiesNothing,
  forgetsTimeouts,
  readsPastStable,
  listsOneAborted,
  holdsStable,
  takesAnyEpoch,
  marksBeforeDeciding,
  turnsMarkers,
  losesMarkers,
  sharesEpochs,
  dropsOffsets,
  commitsOffsetsAtOnce,
  tellsUnstable,
  asksNoGeneration,
  givesEpochsBack,
  addsNothing,
].map((build): Build => ({ ...build, hasTransactions: true }));
