/** Every state of a transaction against every request in every version: answered as Apache Kafka 3.9.1 did. */
import { readFileSync } from 'node:fs';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  type AddPartitionsToTxnResponse,
  DescribeTransactions,
  EndTxn,
  ErrorCode,
  FindCoordinator,
  InitProducerId,
  Produce,
  TxnOffsetCommit,
} from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isRefusal } from '../shared/refusal.ts';
import { BrokerUnderTest, batchOf, produceBody } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';

/** One line of the golden file in one version. */
interface Row {
  readonly state: string;
  readonly request: string;
  readonly what: string;
  readonly version: number;
  readonly errorCode: number;
  /** `same+1`: the same producer id, and an epoch higher by one. */
  readonly given: string;
  /** The state of the transactional id afterwards; empty where none is asked about. */
  readonly after: string;
}

const GOLDEN = new URL('../../fixtures/transaction-answers-3.9.1.tsv', import.meta.url);

const rows: readonly Row[] = readFileSync(GOLDEN, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .flatMap((line) => {
    const [state = '', request = '', what = '', versions = '', errorCode = '', given = '', after = ''] =
      line.split('\t');
    const common = { state, request, what, errorCode: Number(errorCode), given, after };
    return versions.split(',').map((version) => ({ ...common, version: Number(version) }));
  });

/**
 * What differs where ends raise epochs (KIP-890): one that replaces another leaves out an epoch, and one that was aborted since its time was
 * over may go on with the epoch that its abort gave, as Kafka 4 lets it.
 */
const raisingRows: readonly Row[] = rows.map((row) => {
  const { state, request, what, given } = row;
  if (request !== 'InitProducerId') return row;
  if (state === 'timed out, old epoch' && what === 'with producer id and epoch') {
    return { ...row, errorCode: ErrorCode.NONE, given: 'same+1', after: 'Empty' };
  }
  const isReplacing = state !== 'unknown' && what === 'without producer id' && given !== '';
  return isReplacing ? { ...row, given: given.replace(/\d+$/, (rise) => `${Number(rise) + 1}`) } : row;
});

const FOREIGN_PRODUCER_ID = 987_654;
/** How often a state is looked at until it is the wrong one. */
const LOOKS_MAX = 20;

let test: BrokerUnderTest;
let count = 0;

async function start(raisesEpochs: boolean): Promise<void> {
  test = await BrokerUnderTest.start({
    'transaction.state.log.num.partitions': '1',
    'offsets.topic.num.partitions': '1',
  });
  vi.spyOn(test.broker.services.transactions.level, 'raisesEpochs', 'get').mockReturnValue(raisesEpochs);
  await test.createTopic('t', 3);
  await test.createTopic('held');
  const held = test.broker.services.replicas.find('held', 0);
  if (isRefusal(held)) throw new Error('The topic has no leader');
  // No marker is ever written into it, so that a transaction with it stays where it is when it ends.
  vi.spyOn(held, 'append').mockReturnValue(new Promise(() => {}));
  await test.connect().ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
}

/** A producer whose transactional id is in the state; what it believes of itself may be wrong. */
async function producerIn(state: string): Promise<TestProducer> {
  count += 1;
  const producer = await TestProducer.start(test, `id-${count}`);
  const [base, slip] = state.split(', ') as [string, string?];
  switch (base) {
    case 'unknown':
      Object.assign(producer, { id: `unknown-${count}`, producerId: FOREIGN_PRODUCER_ID, epoch: 0 });
      return producer;
    case 'Ongoing':
      if (slip === 'epoch one lower') await producer.init();
      await producer.add('t');
      if (slip === 'offsets added') await producer.addOffsets('group');
      break;
    case 'Empty':
      if (slip === 'epoch one lower') await producer.init();
      break;
    case 'CompleteCommit':
    case 'CompleteAbort':
      await producer.add('t');
      await producer.end(base === 'CompleteCommit');
      await rest();
      break;
    case 'PrepareCommit':
    case 'PrepareAbort':
      await producer.add('t');
      await producer.add('held');
      await producer.end(base === 'PrepareCommit');
      break;
    case 'timed out':
      await producer.add('t');
      test.clock.advance(70_001);
      await rest();
      break;
    default:
      break;
  }
  if (slip === 'epoch one lower') producer.epoch -= 1;
  if (slip === 'epoch one higher') producer.epoch += 1;
  if (slip === 'foreign producer id') producer.producerId = FOREIGN_PRODUCER_ID;
  return producer;
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What may wait for markers is given the time that it waits at most. */
async function soon<T>(asked: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  asked.then(done, done);
  await rest();
  if (!isDone) test.clock.advance(100);
  return asked;
}

async function init(row: Row, producer: TestProducer): Promise<readonly [number, string]> {
  const { producerId, epoch } = producer;
  const nothing = { producerId: -1, producerEpoch: -1 };
  const known = { producerId, producerEpoch: epoch };
  const shape: Readonly<Record<string, object>> = {
    'without producer id': nothing,
    'with producer id and epoch': known,
    'empty transactional id': { ...nothing, transactionalId: '' },
    'timeout 0': { ...nothing, transactionTimeoutMs: 0 },
    'timeout 900001': { ...nothing, transactionTimeoutMs: 900_001 },
    'null transactional id, timeout 0': { ...nothing, transactionalId: null, transactionTimeoutMs: 0 },
    'producer id without epoch': { ...nothing, producerId },
    'epoch without producer id': { ...nothing, producerEpoch: epoch },
    'null transactional id with producer id and epoch': { ...known, transactionalId: null },
    'new transactional id with producer id and epoch': { ...known, transactionalId: `${producer.id}-new` },
  };
  const body = { transactionalId: producer.id, transactionTimeoutMs: 60_000, ...shape[row.what] };
  // Before version 3 there is no place for what the producer knows.
  const { producerId: _id, producerEpoch: _epoch, ...older } = body as Record<string, unknown>;
  const sent = (row.version < 3 ? older : body) as { transactionalId: string; transactionTimeoutMs: number };
  const answer = await test.connect().ask(InitProducerId, row.version, sent);
  if (row.given === '') return [answer.errorCode, ''];
  const rise = answer.producerEpoch - epoch;
  const isSame = answer.producerId === producerId;
  return [answer.errorCode, `${isSame ? 'same' : 'other'}${rise < 0 ? '' : '+'}${rise}`];
}

async function addPartitions({ what, version }: Row, producer: TestProducer): Promise<number | undefined> {
  const { id: transactionalId, producerId, epoch: producerEpoch, connection } = producer;
  const isInternal = what.startsWith('internal');
  const index = what.startsWith('partition 0') ? 0 : 1;
  const topics = [{ name: isInternal ? '__consumer_offsets' : 't', partitions: [isInternal ? 0 : index] }];
  const codeOf = (topics: AddPartitionsToTxnResponse['resultsByTopicV3AndBelow']): number | undefined =>
    topics[0]?.resultsByPartition[0]?.partitionErrorCode;
  if (version < 4) {
    const answer = await connection.ask(AddPartitionsToTxn, version, {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: topics,
    });
    return codeOf(answer.resultsByTopicV3AndBelow);
  }
  const verifyOnly = what.endsWith('verifyOnly');
  const transaction = { transactionalId, producerId, producerEpoch, verifyOnly, topics };
  const answer = await connection.ask(AddPartitionsToTxn, version, { transactions: [transaction] });
  expect(answer.errorCode).toBe(0);
  return codeOf(answer.resultsByTransaction[0]?.topicResults ?? []);
}

async function commitOffset({ version }: Row, producer: TestProducer): Promise<number | undefined> {
  const { id: transactionalId, producerId, epoch: producerEpoch, connection } = producer;
  const partition = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
  const asker = { transactionalId, groupId: 'group', producerId, producerEpoch };
  const member = version >= 3 ? { generationId: -1, memberId: '', groupInstanceId: null } : {};
  const topics = [{ name: 't', partitions: [partition] }];
  const answer = await connection.ask(TxnOffsetCommit, version, { ...asker, ...member, memberId: '', topics });
  return answer.topics[0]?.partitions[0]?.errorCode;
}

async function produce({ version }: Row, producer: TestProducer): Promise<number | undefined> {
  const { id: transactionalId, producerId, epoch: producerEpoch, connection } = producer;
  const batch = batchOf(['a'], { producerId, producerEpoch, baseSequence: 0, isTransactional: true });
  const answer = await connection.ask(Produce, version, produceBody('t', batch, { transactionalId }));
  return answer.responses[0]?.partitionResponses[0]?.errorCode;
}

/** What is answered, and the state afterwards. */
async function answerTo(row: Row): Promise<readonly [errorCode: number | undefined, given: string, after: string]> {
  // An empty group is asked for under an id that nobody has.
  const producer = await producerIn(row.what === 'empty group' ? 'unknown' : row.state);
  const [errorCode, given] = await ask(row, producer);
  return [errorCode, given, row.after === '' ? '' : await stateAfter(row, producer.id)];
}

/** The state once it is the one that it comes to rest in, or has had the time to become that. */
async function stateAfter(row: Row, transactionalId: string): Promise<string> {
  let state = await stateOf(transactionalId);
  for (let look = 0; look < LOOKS_MAX && state !== atRest(row); look += 1) state = await stateOf(transactionalId);
  return state;
}

async function ask(row: Row, producer: TestProducer): Promise<readonly [number | undefined, string]> {
  const { id, producerId, epoch: producerEpoch, connection } = producer;
  const transactionalId = row.what === 'empty transactional id' ? '' : id;
  const asker = { transactionalId, producerId, producerEpoch };
  switch (row.request) {
    case 'InitProducerId':
      return init(row, producer);
    case 'AddPartitionsToTxn':
      return [await soon(addPartitions(row, producer)), ''];
    case 'AddOffsetsToTxn': {
      const groupId = row.what === 'empty group' ? '' : 'group';
      return [(await soon(connection.ask(AddOffsetsToTxn, row.version, { ...asker, groupId }))).errorCode, ''];
    }
    case 'EndTxn': {
      const committed = row.what === 'commit';
      return [(await connection.ask(EndTxn, row.version, { ...asker, committed })).errorCode, ''];
    }
    case 'TxnOffsetCommit':
      return [await commitOffset(row, producer), ''];
    default:
      return [await produce(row, producer), ''];
  }
}

async function stateOf(transactionalId: string): Promise<string> {
  await rest();
  const answer = await test.connect().ask(DescribeTransactions, 0, { transactionalIds: [transactionalId] });
  const [found] = answer.transactionStates;
  return found?.errorCode === ErrorCode.TRANSACTIONAL_ID_NOT_FOUND ? 'unknown' : `${found?.transactionState}`;
}

/**
 * The state that it comes to: Kafka was asked at once, before its markers were written or after. Here they are written, but where one is held
 * back for ever.
 */
function atRest({ state, after }: Row): string {
  return state.startsWith('Prepare') ? after.replace(/^Complete/, 'Prepare') : after.replace(/^Prepare/, 'Complete');
}

const states = [...new Set(rows.map(({ state }) => state))];

describe.each([
  ['transaction.version 0, as a cluster of that release has it', false, rows],
  ['transaction.version 2, to those who speak as before', true, raisingRows],
] as const)('with %s', (_, raisesEpochs, expected) => {
  beforeAll(() => start(raisesEpochs));
  afterAll(() => test.stop());

  describe.each(states)('a transactional id in the state %s', (state) => {
    it.each(expected.filter((row) => row.state === state))(
      'answers $request v$version, $what, with $errorCode $given, and is $after then',
      async (row) => {
        expect(await answerTo(row)).toEqual([row.errorCode, row.given, atRest(row)]);
      },
    );
  });
});

it('knows all 681 answers, of which 45 differ where ends raise epochs', () => {
  expect(rows).toHaveLength(681);
  expect(raisingRows.filter((row, at) => row !== rows[at])).toHaveLength(45);
});
