/** `pnpm bench cluster`: three brokers of one machine: how soon they are there, what they take, what they carry, how long they are gone. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { LOCAL_SESSION_TIMEOUT_MS } from '../../apps/broker/src/local-cluster/member-settings.ts';
import { type Gap, killBrokers } from '../../tools/faults/cluster-kills.ts';
import { SESSION_MS } from '../../tools/faults/ensemble-cluster.ts';
import { sentAgain } from '../../tools/faults/retries.ts';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import type { ThroughputResult } from './clients/jobs.ts';
import { type Client, runClient } from './clients/run-client.ts';
import { BROKERS, type LoopDelay, MeasuredCluster, MeasuredEnsemble } from './cluster/processes.ts';
import { bytesRate, digits, median, si, summarize } from './report/statistics.ts';
import { installBuilt } from './startup/installed.ts';

const PARTS = ['ready', 'load', 'zookeeper', 'gaps'] as const;

export const bench: Bench = {
  title: 'A local cluster of three brokers',
  about:
    'three brokers of one machine: ready, memory, produce with three replicas, longest turn of the event loops (on ZooKeeper too), gaps after deaths and stops',
  parts: PARTS,
  seconds: { full: 420, quick: 100 },
  run: measureCluster,
};

const MIB = 1024 * 1024;
const STARTS = 5;
const SETTLE_MS = 5000;
const RECORD_BYTES = 1024;
const PARTITIONS = 6;
/** What the project promises: ready, memory of parent and brokers, gaps after a kill and after a stop in order. */
const AIMS = { readyMs: 1000, pssMib: 400, killMs: 300, stopMs: 100 };
/** A turn may take so much of a session: who stands still for longer comes near to losing it. */
const SESSION_SHARE = 1 / 6;

async function measureCluster(context: BenchContext, findings: Findings): Promise<void> {
  const wanted = Object.entries(INSTALLED).filter(([part]) => isWanted(context, part));
  if (wanted.length > 0) await measureInstalled(wanted, context, findings);
  if (isWanted(context, 'zookeeper')) await findings.attempt('zookeeper', () => measureTurns(context, findings));
}

type Measure = (program: string, context: BenchContext, findings: Findings) => Promise<void>;

/** What is measured of the program as it is installed. */
const INSTALLED: Readonly<Record<string, Measure>> = { ready: measureReady, load: measureLoad, gaps: measureGaps };

async function measureInstalled(
  parts: readonly (readonly [string, Measure])[],
  context: BenchContext,
  findings: Findings,
): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' };
  execFileSync('turbo', ['run', 'build', '--filter=millrace', '--output-logs=errors-only'], { cwd: root, env });
  const { program, folder } = installBuilt();
  try {
    for (const [part, measure] of parts) {
      await findings.attempt(part, () => measure(program, context, findings));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureReady(program: string, context: BenchContext, findings: Findings): Promise<void> {
  const readyMs: number[] = [];
  const pssBytes: number[] = [];
  for (let start = 0; start <= (context.isQuick ? 2 : STARTS); start += 1) {
    const cluster = await MeasuredCluster.start(program);
    try {
      // The first one fills what every later one finds: compiled code, files in memory.
      if (start === 0) continue;
      readyMs.push(cluster.ageMs);
      await sleep(SETTLE_MS);
      pssBytes.push(cluster.pssBytes);
    } finally {
      await cluster.stop();
    }
    context.progress(`ready after ${digits(readyMs.at(-1) ?? 0)} ms`);
  }
  findings.raw('ready', { readyMs, pssBytes });
  findings.table({
    title: 'Start of a local cluster, as installed, on an empty folder',
    columns: ['', 'figure', 'aim'],
    rows: [
      ['ready', summarize(readyMs, (ms) => `${digits(ms)} ms`), `${AIMS.readyMs} ms`],
      [
        'parent and brokers, idle (PSS)',
        summarize(pssBytes, (bytes) => `${digits(bytes / MIB)} MiB`),
        `${AIMS.pssMib} MiB`,
      ],
    ],
    notes: [`Memory is read ${SETTLE_MS / 1000} s after the start; what processes share counts once.`],
  });
}

const CLIENTS: readonly Client[] = [
  { label: 'our SDK', client: 'millrace', mode: 'send' },
  { label: 'librdkafka', client: 'librdkafka', mode: '' },
];

async function measureLoad(program: string, context: BenchContext, findings: Findings): Promise<void> {
  const rates = new Map<string, number[]>(CLIENTS.map(({ label }) => [label, []]));
  const loops: LoopDelay[] = [];
  for (let round = 0; round < context.rounds; round += 1) {
    const cluster = await MeasuredCluster.start(program);
    try {
      cluster.beginLoops();
      for (const client of CLIENTS) {
        const rate = await produced(cluster.bootstrap, client, `load-${round}-${client.client}`, context);
        rates.get(client.label)?.push(rate);
        context.progress(`${client.label}: ${si(rate)} records/s`);
      }
    } finally {
      loops.push(...(await cluster.stop()));
    }
  }
  findings.raw('load', { rates: Object.fromEntries(rates), loops });
  findings.table({
    title: 'Produce with acks=all to three replicas, records of 1 KiB, as fast as they go',
    columns: ['client', 'records/s', ''],
    rows: [...rates].map(([label, values]) => [label, summarize(values, si), bytesRate(median(values) * RECORD_BYTES)]),
    notes: [
      'Clients and brokers share the processors. Every record is synced on every replica before it is acknowledged.',
    ],
  });
  const brokers = loops.filter(({ title }) => title.includes('broker'));
  findings.table({
    title: 'The longest turn of an event loop under that load',
    columns: ['process', 'longest', 'p99', 'aim'],
    rows: [
      ['a broker', ...longest(brokers)],
      ['the parent, which keeps the sessions', ...longest(loops.filter((each) => !brokers.includes(each)))],
    ].map((row) => [...row, turnAim(LOCAL_SESSION_TIMEOUT_MS)]),
    notes: [turnNote(LOCAL_SESSION_TIMEOUT_MS)],
  });
}

/** The same load on three brokers on an ensemble, which hears of them through their sessions alone: what their loops do in it. */
async function measureTurns(context: BenchContext, findings: Findings): Promise<void> {
  const loops: LoopDelay[] = [];
  for (let round = 0; round < context.rounds; round += 1) {
    const cluster = await MeasuredEnsemble.start();
    try {
      cluster.beginLoops();
      for (const client of CLIENTS) {
        const rate = await produced(cluster.bootstrap, client, `turns-${round}-${client.client}`, context);
        context.progress(`${client.label} on ZooKeeper: ${si(rate)} records/s`);
      }
    } finally {
      loops.push(...(await cluster.stop()));
    }
  }
  findings.raw('zookeeper', { loops });
  findings.table({
    title: 'The longest turn of an event loop under that load, on a ZooKeeper ensemble of three servers',
    columns: ['process', 'longest', 'p99', 'aim'],
    rows: [['a broker', ...longest(loops), turnAim(SESSION_MS)]],
    notes: [
      turnNote(SESSION_MS),
      'Brokers run from source; the servers share the processors with them and the clients.',
    ],
  });
}

function turnAim(sessionMs: number): string {
  return `${digits(sessionMs * SESSION_SHARE)} ms`;
}

function turnNote(sessionMs: number): string {
  return `The aim is a sixth of a session, which is ${digits(sessionMs)} ms here.`;
}

function longest(loops: readonly LoopDelay[]): string[] {
  const most = (read: (loop: LoopDelay) => number): string => `${digits(Math.max(...loops.map(read)))} ms`;
  return loops.length === 0 ? ['-', '-'] : [most(({ longestMs }) => longestMs), most(({ p99Ms }) => p99Ms)];
}

async function produced(bootstrap: string, client: Client, topic: string, context: BenchContext): Promise<number> {
  await using admin = new Admin({ bootstrapServers: bootstrap });
  await admin.createTopics([{ topic, partitions: PARTITIONS, replicationFactor: BROKERS }]);
  // Whose processor time is read: of no use here, where there are several.
  const broker = { name: 'three brokers', bootstrap, pid: process.pid, stop: async () => {} };
  const times = context.isQuick ? { warmUpMs: 1000, timeMs: 3000 } : { warmUpMs: 3000, timeMs: 8000 };
  const load = { topic, partitions: PARTITIONS, recordBytes: RECORD_BYTES, acks: -1, compression: 'none' } as const;
  const { records, seconds } = await runClient<ThroughputResult>(
    client,
    { kind: 'produce', ...load, ...times },
    broker,
    context,
  );
  return records / seconds;
}

/** A broker that has only just started is slow: its code is not compiled yet. */
const CALM_MS = 3000;
/** At 10 ms, the clients of this load alone are enough to keep two cores busy, and gaps measure the queue for them. */
const PACE_MS = 30;
/** No multiple of the kinds of victims, which come in turns: each of them is to be killed and to be stopped. */
const STOP_EVERY = 4;

async function measureGaps(program: string, context: BenchContext, findings: Findings): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gaps-'));
  const rounds = context.isQuick ? 12 : 30 * context.rounds;
  try {
    const onRound = (line: string): void => context.progress(line);
    const report = await killBrokers({
      engine: 'local',
      program: [program],
      folder,
      rounds,
      stopEvery: STOP_EVERY,
      calmMs: CALM_MS,
      paceMs: PACE_MS,
      seed: 1,
      onRound,
    });
    findings.raw('gaps', report);
    findings.table({
      title: 'The longest time without an acknowledgement of a partition whose leader ends',
      columns: ['client', 'victim', 'ending', 'rounds', 'p50', 'p99', 'worst', 'aim'],
      rows: gapRows(report.gaps),
      notes: [
        `${report.violationCount} violations: ${report.recordsAcknowledged} acknowledged records were looked for, none may be missing, repeated or out of order.`,
        `Records every ${PACE_MS} ms to each of 6 partitions, acks=all; leader, controller and coordinator in turns; every fourth round is a stop in order.`,
        `Sent again: ${sentAgain(report)}. ${Object.entries(report.clients)
          .map(([name, about]) => `${name}: ${about}`)
          .join('; ')}.`,
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A row for each client, kind of victim and ending, and one for all victims together. */
function gapRows(gaps: readonly Gap[]): string[][] {
  const counted = gaps.flatMap((gap) => [gap, { ...gap, victim: 'all' }]);
  const groups = Map.groupBy(counted, ({ client, victim, ending }) => `${client} ${victim} ${ending}`);
  const inOrder = [...groups].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return inOrder.map(([, group]) => {
    const sorted = group.map(({ ms }) => ms).toSorted((one, other) => one - other);
    const at = (share: number): string => `${digits(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN)} ms`;
    const { client, victim, ending } = group[0]!;
    const aim = ending === 'stopped' ? AIMS.stopMs : AIMS.killMs;
    return [client, victim, ending, String(sorted.length), at(0.5), at(0.99), at(1), `${aim} ms`];
  });
}
