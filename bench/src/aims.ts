/** The aims of the project, judged by what a run has measured. Nothing fails by them: they are figures like the others. */
import type { Fact, FactKind, Table } from './bench.ts';
import { RATIOS_TITLE } from './report/check.ts';
import { bytesRate, digits, median, percent, si, summarize } from './report/statistics.ts';

const OURS = 'millrace';
const UNSYNCED = 'Millrace, no sync';
const SYNCED = 'Millrace, sync per ack';

/** How many times as fast as others the SDKs are to be. */
const SDK_AIMS: Readonly<Record<string, number>> = { kafkajs: 5, '@platformatic/kafka': 3, 'librdkafka (C)': 0.7 };
const SHARE_AIM = 0.5;
const START_AIM = 10;
const IDLE_RSS_AIM = 5;
const LOADED_RSS_AIM = 2;
const SYNCED_AIM = 2;
const TRANSACTIONS_AIM = 1.5;
/** Of plain sends, how much is left with a commit every 100 ms: less than 20 % may be lost. */
const WITH_COMMITS_AIM = 0.8;
/** The processor time of reading all beside that of reading what is committed, which may cost 5 % more. */
const READ_COMMITTED_AIM = 0.952;

/** A row before it is written: what is to be at least `aim` times as good as what. */
interface Judged {
  readonly aim: string;
  readonly load: string;
  readonly ours: Fact;
  readonly theirs: Fact;
  readonly atLeast: number;
  /** Of times and of memory, less is better. */
  readonly isLessBetter?: boolean;
  /** A share of a limit rather than a ratio to somebody. */
  readonly isShare?: boolean;
}

/** Two tables: every aim with how far it was reached, and a row per aim and load. None of what was not measured. */
export function aimsTables(facts: readonly Fact[]): Table[] {
  const judged = [
    ...sdkAims(facts, 'produced records/s', 'producer SDK'),
    ...sdkAims(facts, 'consumed records/s', 'consumer SDK'),
    ...brokerAims(facts),
    ...latencyAims(facts),
    ...singleSendAims(facts),
    ...startAims(facts),
    ...shareAims(facts),
    ...transactionAims(facts),
  ];
  if (judged.length === 0) return [];
  return [
    {
      title: 'What was aimed at, and what was reached',
      columns: ['aim', 'at least', 'reached in', 'least', 'median', 'most'],
      rows: [...Map.groupBy(judged, ({ aim }) => aim)].map(([aim, all]) => summaryOf(aim, all)),
      notes: [
        'Ratios: the median of those of each round. Above 1 is in our favour. Least and most are over the loads below.',
      ],
    },
    {
      title: RATIOS_TITLE,
      columns: ['aim', 'load', 'ours', 'the other', 'at least', 'reached', '', 'from'],
      rows: judged.map(rowOf),
      notes: ['Reached: the median of the ratios of each round, ± half the distance of the extremes.'],
    },
  ];
}

function summaryOf(aim: string, all: readonly Judged[]): string[] {
  const ratios = all.map((each) => median(ratiosOf(each)));
  const reached = all.filter(({ atLeast }, index) => ratios[index]! >= atLeast).length;
  const show = all[0]!.isShare === true ? percent : (ratio: number) => `×${digits(ratio)}`;
  const range = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map(show);
  return [
    aim,
    all[0]!.isShare === true ? percent(all[0]!.atLeast) : `×${all[0]!.atLeast}`,
    `${reached} of ${all.length}`,
    ...range,
  ];
}

function rowOf(judged: Judged): string[] {
  const { aim, load, ours, theirs, atLeast, isShare } = judged;
  const ratios = ratiosOf(judged);
  const share = isShare === true;
  return [
    aim,
    load,
    share ? ours.broker : `${nameOf(ours, theirs)} ${show(ours)}`,
    share ? `limit ${bytesRate(theirs.values[0]!)}` : `${nameOf(theirs, ours)} ${show(theirs)}`,
    share ? percent(atLeast) : `×${atLeast}`,
    share ? summarize(ratios, percent) : `×${summarize(ratios, digits)}`,
    median(ratios) >= atLeast ? 'reached' : '**missed**',
    ours.table,
  ];
}

/** Round by round where both have all rounds, since a round's measurements lie close together in time. */
function ratiosOf({ ours, theirs, isLessBetter }: Judged): number[] {
  const [better, worse] = isLessBetter === true ? [theirs.values, ours.values] : [ours.values, theirs.values];
  if (better.length === worse.length) return better.map((value, round) => value / worse[round]!);
  if (worse.length === 1) return better.map((value) => value / worse[0]!);
  return [median(better) / median(worse)];
}

/** What tells it from the other: the client where the brokers are the same. */
function nameOf({ broker, client }: Fact, other: Fact): string {
  return broker === other.broker ? client : broker;
}

function show({ what, values }: Fact): string {
  const value = median(values);
  if (what.endsWith('RSS')) return `${digits(value / 1e6)} MB`;
  if (what === 'CPU us/record') return `${digits(value)} us a record`;
  return what.endsWith('ms') ? `${digits(value)} ms` : `${si(value)}/s`;
}

/** The fastest of the ways in which our SDK can be used, against each other client, on every broker and load. */
function sdkAims(facts: readonly Fact[], what: FactKind, aim: string): Judged[] {
  const found: Judged[] = [];
  for (const [place, measured] of grouped(facts, what, ({ broker, load }) => `${broker}: ${load}`)) {
    const ours = best(measured.filter(({ client }) => client.startsWith(OURS)));
    if (ours === undefined) continue;
    for (const [peer, atLeast] of Object.entries(SDK_AIMS)) {
      const theirs = best(measured.filter(({ client }) => client.startsWith(peer)));
      if (theirs !== undefined) found.push({ aim: `${aim} against ${peer}`, load: place, ours, theirs, atLeast });
    }
  }
  return found;
}

function brokerAims(facts: readonly Fact[]): Judged[] {
  const found: Judged[] = [];
  for (const [what, verb] of [
    ['produced records/s', 'produce'],
    ['consumed records/s', 'consume'],
  ] as const) {
    for (const [place, measured] of grouped(facts, what, ({ load, client }) => `${load}, ${client}`)) {
      for (const [broker, atLeast, how] of [
        [UNSYNCED, 1, 'no sync on both'],
        [SYNCED, SYNCED_AIM, 'a sync before every acknowledgement on both'],
      ] as const) {
        const ours = measured.find((fact) => fact.broker === broker);
        const theirs = measured.find((fact) => fact.broker === broker.replace('Millrace', 'Kafka'));
        if (ours === undefined || theirs === undefined || ours.table !== theirs.table) continue;
        found.push({ aim: `broker, ${verb}, ${how}`, load: place, ours, theirs, atLeast });
      }
    }
  }
  return found;
}

/** Facts of the same load but the broker's, at half of what Kafka can do. */
function latencyAims(facts: readonly Fact[]): Judged[] {
  const found: Judged[] = [];
  const half = facts.filter(({ load }) => load.includes("half of Kafka's maximum"));
  for (const [place, measured] of grouped(half, 'p99 ms', ({ load, client }) => `${load}, ${client}`)) {
    for (const broker of [UNSYNCED, SYNCED]) {
      const ours = measured.find((fact) => fact.broker === broker);
      const theirs = measured.find((fact) => fact.broker === broker.replace('Millrace', 'Kafka'));
      if (ours === undefined || theirs === undefined) continue;
      found.push({ aim: 'p99 latency of produce', load: place, ours, theirs, atLeast: 1, isLessBetter: true });
    }
  }
  return found;
}

/** One send at a time: no worse than any other client. */
function singleSendAims(facts: readonly Fact[]): Judged[] {
  const found: Judged[] = [];
  const single = facts.filter(({ load }) => load.includes('one outstanding'));
  for (const [place, measured] of grouped(single, 'p50 ms', ({ load, broker }) => `${broker}: ${load}`)) {
    const ours = measured.find(({ client }) => client.startsWith(OURS));
    if (ours === undefined) continue;
    for (const theirs of measured) {
      if (theirs === ours) continue;
      found.push({ aim: 'p50 latency of single sends', load: place, ours, theirs, atLeast: 1, isLessBetter: true });
    }
  }
  return found;
}

function startAims(facts: readonly Fact[]): Judged[] {
  const found: Judged[] = [];
  const kinds: readonly (readonly [FactKind, string, number])[] = [
    ['start ms', 'start to the first accepted produce', START_AIM],
    ['idle RSS', 'memory when idle', IDLE_RSS_AIM],
    ['loaded RSS', 'memory under load', LOADED_RSS_AIM],
  ];
  for (const [what, aim, atLeast] of kinds) {
    for (const [place, measured] of grouped(facts, what, ({ load }) => load)) {
      for (const ours of measured.filter(({ broker }) => broker.startsWith('Millrace'))) {
        const isOfStart = !ours.broker.includes('sync');
        const theirs = measured.find(({ broker }) =>
          isOfStart ? broker.startsWith('Apache Kafka 4') : broker === ours.broker.replace('Millrace', 'Kafka'),
        );
        if (theirs !== undefined) found.push({ aim, load: place, ours, theirs, atLeast, isLessBetter: true });
      }
    }
  }
  return found;
}

/** Transactions a second beside Kafka; and what transactions cost beside doing the same without. */
function transactionAims(facts: readonly Fact[]): Judged[] {
  const found: Judged[] = [];
  for (const [place, measured] of grouped(facts, 'transactions/s', ({ load, client }) => `${load}, ${client}`)) {
    for (const [broker, how] of [
      [UNSYNCED, 'no sync on both'],
      [SYNCED, 'a sync before every acknowledgement on both'],
    ] as const) {
      const ours = measured.find((fact) => fact.broker === broker);
      const theirs = measured.find((fact) => fact.broker === broker.replace('Millrace', 'Kafka'));
      if (ours === undefined || theirs === undefined) continue;
      found.push({ aim: `transactions, ${how}`, load: place, ours, theirs, atLeast: TRANSACTIONS_AIM });
    }
  }
  const costs = [
    [
      'records/s with commits',
      'in transactions',
      'plain',
      WITH_COMMITS_AIM,
      'sends in transactions against plain ones',
    ],
    ['CPU us/record', 'read_committed', 'read_uncommitted', READ_COMMITTED_AIM, 'processor time of read_committed'],
  ] as const;
  for (const [what, dear, cheap, atLeast, aim] of costs) {
    for (const [place, measured] of grouped(facts, what, ({ broker, load }) => `${broker}: ${load}`)) {
      const ours = measured.find(({ broker, client }) => broker.startsWith('Millrace') && client === dear);
      const theirs = measured.find(({ client }) => client === cheap);
      const isLessBetter = what === 'CPU us/record';
      if (ours !== undefined && theirs !== undefined) {
        found.push({ aim, load: place, ours, theirs, atLeast, isLessBetter });
      }
    }
  }
  return found;
}

/** Their limit stands in for the other. */
function shareAims(facts: readonly Fact[]): Judged[] {
  const aim = "the broker's share of the slower of loopback and disk";
  const rates = facts.filter(({ what }) => what === 'bytes/s');
  return rates.flatMap((ours) => {
    const theirs = facts.find(
      ({ what, broker, table }) => what === 'limit' && broker === ours.broker && table === ours.table,
    );
    return theirs === undefined ? [] : [{ aim, load: ours.load, ours, theirs, atLeast: SHARE_AIM, isShare: true }];
  });
}

function grouped(facts: readonly Fact[], what: FactKind, key: (fact: Fact) => string): Map<string, Fact[]> {
  const of = facts.filter((fact) => fact.what === what && fact.values.length > 0);
  return Map.groupBy(of, key);
}

function best(facts: readonly Fact[]): Fact | undefined {
  return facts.toSorted((a, b) => median(b.values) - median(a.values))[0];
}
