import { describe, expect, it } from 'vitest';
import { runCampaign } from '../campaign.ts';
import { runSeed } from '../run-seed.ts';
import { checkTransactions } from './check-transactions.ts';
import { type Transaction, TransactionLedger } from './transaction-ledger.ts';

const SEEDS = 40;
/** A world of three brokers costs as much as several of one. */
const CLUSTER_SEEDS = 5;
const MS_MAX = 240_000;

const EVERYTHING = { length: 1, faults: undefined, jobs: 1, keepsGoing: false, seconds: undefined, from: 1 } as const;

describe('worlds in which much is written in transactions', () => {
  it.each([
    [1, SEEDS],
    [3, CLUSTER_SEEDS],
  ])(
    'end without a violation, with %i brokers',
    async (brokers, seeds) => {
      const options = { ...EVERYTHING, brokers, transactions: true, buildName: 'sound', seeds };
      const { failures, sum } = await runCampaign(options);
      const told = failures.map(({ seed, violations: [first] }) => `${seed}: ${first?.anomaly}: ${first?.message}`);
      expect(told).toEqual([]);
      expect(sum.sums['recordsAcknowledged']).toBeGreaterThan(200);
    },
    MS_MAX,
  );

  // An index of aborted transactions was cut before it was written; a calendar was set back under an open transaction; a transaction was
  // aborted while others were written into the index; a producer that waited for a verification was never answered, and one for a
  // coordinator; offsets that came late began a transaction behind its marker; producers waited for coordinators that were cut off.
  it.each([
    [97, 1],
    [8, 1],
    [9_300_001, 3],
    [12_100_147, 3],
    [11_000_239, 3],
    [11_000_825, 3],
    [16_000_071, 3],
  ])(
    'end well where one once ended badly: seed %i',
    async (seed, brokers) => {
      const options = { brokers, transactions: true, onlyTransactions: true };
      expect((await runSeed(seed, options)).violations).toEqual([]);
    },
    MS_MAX,
  );
});

describe('the checker of transactions', () => {
  function transaction(outcome: Transaction['outcome'], overrides: Partial<Transaction> = {}): Transaction {
    return {
      client: 'x',
      transactionalId: 'id',
      producerId: 1,
      epoch: 0,
      values: new Map([
        ['t-0', ['a', 'b']],
        ['t-1', ['c']],
      ]),
      offsets: new Map([
        ['a', 0],
        ['b', 1],
        ['c', 0],
      ]),
      sent: new Set(['a', 'b', 'c']),
      outcome,
      askedMs: 10,
      ...overrides,
    };
  }

  function judge(
    outcome: Transaction['outcome'],
    there: readonly string[],
    edit?: (ledger: TransactionLedger) => void,
  ) {
    const ledger = new TransactionLedger();
    ledger.transactions.push(transaction(outcome));
    for (const [partition, all] of transaction(outcome).values) {
      const records = there
        .filter((value) => all.includes(value))
        .map((value, offset): [number, string, null] => [offset, value, null]);
      ledger.final.set(partition, { records, lag: 0, logStart: 0 });
    }
    edit?.(ledger);
    return checkTransactions(ledger).map(({ anomaly }) => anomaly);
  }

  it('wants all of what was committed, none of what was not, and one or the other where nobody knows', () => {
    expect(judge('committed', ['a', 'b', 'c'])).toEqual([]);
    expect(judge('committed', ['a', 'b'])).toEqual(['lost-transaction']);
    for (const outcome of ['aborted', 'open'] as const) {
      expect(judge(outcome, [])).toEqual([]);
      expect(judge(outcome, ['c'])).toEqual(['aborted-read']);
    }
    // Nobody has acknowledged it.
    const late = ({ transactions: [sent], final }: TransactionLedger): void => {
      sent?.sent.add('d');
      final.set('t-0', { records: [[0, 'd', null]], lag: 0, logStart: 0 });
    };
    expect(judge('aborted', [], late)).toEqual(['aborted-read']);
    expect(judge('unknown', [])).toEqual([]);
    expect(judge('unknown', ['a', 'b', 'c'])).toEqual([]);
    expect(judge('unknown', ['a', 'c'])).toEqual(['torn-transaction']);
    expect(judge('committed', ['a', 'a', 'b', 'c'])).toEqual(['duplicate']);
  });

  it('wants what was read as committed to be so, and to stay', () => {
    expect(judge('committed', ['a', 'b', 'c'], ({ seen }) => seen.set('t-0', [[1, 'b', null]]))).toEqual([]);
    expect(judge('committed', ['a', 'b', 'c'], ({ seen }) => seen.set('t-0', [[2, 'b', null]]))).toEqual(['unseen']);
    expect(judge('aborted', [], ({ seen }) => seen.set('t-0', [[0, 'a', null]]))).toEqual(['aborted-read']);
  });

  it('wants nobody to commit who was replaced before he asked, and every transaction to end', () => {
    const replaced = { client: 'y', transactionalId: 'id', producerId: 1, epoch: 1, isReplacing: true };
    expect(
      judge('committed', ['a', 'b', 'c'], ({ identities }) => identities.push({ ...replaced, sinceMs: 11 })),
    ).toEqual([]);
    expect(
      judge('committed', ['a', 'b', 'c'], ({ identities }) => identities.push({ ...replaced, sinceMs: 9 })),
    ).toEqual(['zombie-commit']);
    expect(
      judge('committed', ['a', 'b', 'c'], ({ final }) => final.set('t-9', { records: [], lag: 4, logStart: 0 })),
    ).toEqual(['stuck-transaction']);
  });

  it('wants nothing of what is deleted, and all of what is behind it', () => {
    const from =
      (logStart: number) =>
      ({ final }: TransactionLedger): void => {
        for (const [partition, end] of final) if (partition === 't-0') final.set(partition, { ...end, logStart });
      };
    expect(judge('committed', ['b', 'c'], from(1))).toEqual([]);
    expect(judge('committed', ['c'], from(2))).toEqual([]);
    expect(judge('committed', ['c'], from(1))).toEqual(['lost-transaction']);
    expect(judge('committed', ['b'], from(1))).toEqual(['lost-transaction']);
    expect(judge('unknown', ['b', 'c'], from(1))).toEqual([]);
    expect(judge('unknown', ['c'], from(1))).toEqual(['torn-transaction']);
    expect(judge('aborted', ['b'], from(1))).toEqual(['aborted-read']);
    const sees = (offset: number, value: string) => (ledger: TransactionLedger) => {
      from(1)(ledger);
      ledger.seen.set('t-0', [[offset, value, null]]);
    };
    expect(judge('committed', ['b', 'c'], sees(0, 'a'))).toEqual([]);
    expect(judge('committed', ['b', 'c'], sees(1, 'x'))).toEqual(['unseen']);
    const copiesOf = (copies: readonly string[]) =>
      judge('committed', ['b', 'c'], (ledger) => {
        from(1)(ledger);
        const records = copies.map((value, offset): [number, string, null] => [offset, value, null]);
        ledger.final.set('copies-0', { records, lag: 0, logStart: 0 });
        ledger.copies = { sinks: ['copies-0'], committed: new Map([['t-0', 2]]) };
      });
    expect(copiesOf(['a+c0.1', 'b+c0.2'])).toEqual([]);
    expect(copiesOf(['b+c0.2'])).toEqual([]);
    expect(copiesOf(['a+c0.1', 'a+c1.1', 'b+c0.2'])).toEqual(['records-without-offset']);
    expect(copiesOf(['a+c0.1'])).toEqual(['offset-without-records']);
    // What is written without a transaction may be deleted as well.
    expect(copiesOf(['plain+c0.1', 'b+c0.2'])).toEqual([]);
    expect(copiesOf(['plain+c0.1', 'plain+c1.1', 'b+c0.2'])).toEqual(['records-without-offset']);
    expect(copiesOf(['c+c0.1', 'b+c0.2'])).toEqual(['aborted-read']);
  });

  it('wants each end that raises the epoch to raise it', () => {
    const identity = { client: 'x', transactionalId: 'id', producerId: 1, epoch: 1, isReplacing: true, sinceMs: 11 };
    const ofEpochs = (...epochs: readonly number[]) =>
      judge('committed', ['a', 'b', 'c'], ({ identities }) => {
        identities.push(identity, ...epochs.map((epoch) => ({ ...identity, epoch, isReplacing: false })));
      });
    expect(ofEpochs(2, 3)).toEqual([]);
    expect(ofEpochs(1)).toEqual(['kept-epoch']);
    expect(ofEpochs(2, 2)).toEqual(['kept-epoch']);
  });

  it('wants no two producers to have one epoch', () => {
    const identity = { client: 'x', transactionalId: 'id', producerId: 1, epoch: 1, isReplacing: true, sinceMs: 11 };
    const all = ['a', 'b', 'c'];
    expect(judge('committed', all, ({ identities }) => identities.push(identity, identity))).toEqual([]);
    expect(
      judge('committed', all, ({ identities }) => identities.push(identity, { ...identity, client: 'y' })),
    ).toEqual(['shared-epoch']);
  });

  it('wants one copy of what a group has read, and none of anything else', () => {
    const copiesOf = (committed: number, copies: readonly string[]) =>
      judge('committed', ['a', 'b', 'c'], (ledger) => {
        const records = copies.map((value, offset): [number, string, null] => [offset, value, null]);
        ledger.final.set('copies-0', { records, lag: 0, logStart: 0 });
        ledger.copies = { sinks: ['copies-0'], committed: new Map([['t-0', committed]]) };
      });
    expect(copiesOf(2, ['a+c0.1', 'b+c0.2'])).toEqual([]);
    expect(copiesOf(-1, [])).toEqual([]);
    expect(copiesOf(2, ['a+c0.1'])).toEqual(['offset-without-records']);
    expect(copiesOf(1, ['a+c0.1', 'b+c0.2'])).toEqual(['records-without-offset']);
    expect(copiesOf(2, ['a+c0.1', 'b+c0.2', 'b+c1.1'])).toEqual(['records-without-offset']);
    expect(copiesOf(1, ['a+c0.1', 'never+c0.2'])).toEqual(['aborted-read']);
  });
});
