/** The aims of the project, judged by what a run has measured. Nothing fails by them: they are figures like the others. */
import type { Fact, FactKind, Table } from './bench.ts';
import { digits, median, percent, si, summarize } from './report/statistics.ts';

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

/** A row before it is written: what is to be at least `aim` times as good as what. */
interface Judged {
  readonly aim: string;
  readonly load: string;
  readonly ours: Fact;
  readonly theirs: Fact;
  readonly atLeast: number;
  /** Of times and of memory, less is better. */
  readonly isLessBetter?: boolean;
}

/** A row per aim and load; none of what was not measured. */
export function aimsTable(facts: readonly Fact[]): Table {
  const judged = [
    ...sdkAims(facts, 'produced records/s', 'producer SDK'),
    ...sdkAims(facts, 'consumed records/s', 'consumer SDK'),
    ...brokerAims(facts),
    ...latencyAims(facts),
    ...singleSendAims(facts),
    ...startAims(facts),
  ];
  return {
    title: 'What was aimed at, and what this run reached',
    columns: ['aim', 'load', 'ours', 'the other', 'aim', 'reached', '', 'table'],
    rows: [...judged.map(rowOf), ...shareRows(facts)],
    notes: [
      'Reached: the median of the ratios of each round, ± half the distance of the extremes. Above 1 is in our favour.',
    ],
  };
}

function rowOf({ aim, load, ours, theirs, atLeast, isLessBetter }: Judged): string[] {
  const better = isLessBetter === true ? theirs : ours;
  const worse = isLessBetter === true ? ours : theirs;
  const ratios = ratiosOf(better.values, worse.values);
  return [
    aim,
    load,
    `${nameOf(ours)} ${show(ours)}`,
    `${nameOf(theirs)} ${show(theirs)}`,
    `×${atLeast}`,
    `×${summarize(ratios, digits)}`,
    median(ratios) >= atLeast ? 'reached' : 'missed',
    ours.table,
  ];
}

/** Round by round where both have all rounds, since a round's measurements lie close together in time. */
function ratiosOf(better: readonly number[], worse: readonly number[]): number[] {
  if (better.length === worse.length) return better.map((value, round) => value / worse[round]!);
  return [median(better) / median(worse)];
}

function nameOf({ what, broker, client }: Fact): string {
  return what.endsWith('records/s') && client !== ''
    ? `${client}, ${broker}`
    : client === ''
      ? broker
      : `${broker}, ${client}`;
}

function show({ what, values }: Fact): string {
  const value = median(values);
  if (what.endsWith('RSS')) return `${digits(value / 1e6)} MB`;
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

function shareRows(facts: readonly Fact[]): string[][] {
  return facts
    .filter(({ what }) => what === 'share of limit')
    .map(({ broker, client, load, values, table }) => [
      "share of the machine's limit",
      load,
      broker,
      client,
      percent(SHARE_AIM),
      summarize(values, percent),
      median(values) >= SHARE_AIM ? 'reached' : 'missed',
      table,
    ]);
}

function grouped(facts: readonly Fact[], what: FactKind, key: (fact: Fact) => string): Map<string, Fact[]> {
  const of = facts.filter((fact) => fact.what === what && fact.values.length > 0);
  return Map.groupBy(of, key);
}

function best(facts: readonly Fact[]): Fact | undefined {
  return facts.toSorted((a, b) => median(b.values) - median(a.values))[0];
}
