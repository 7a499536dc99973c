/** `pnpm bench start`: from the start of the process to the first record that is acknowledged, and what it costs to be there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { usageOf } from '../../tools/faults/spawned-broker.ts';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { digits, summarize } from './report/statistics.ts';
import { type Candidate, type CandidatePart, candidateParts, openCandidate } from './startup/candidates.ts';
import { firstAcknowledged } from './startup/first-record.ts';

/** What one start of one broker showed. */
interface Start {
  readonly readyMs: number;
  readonly acknowledgedMs: number;
  /** When it has had nothing to do for a while. */
  readonly idleRssBytes: number;
  readonly idleCpuPercent: number;
}

const MIB = 1024 * 1024;
/** Millrace starts faster than anything can be timed on a busy machine, so it starts more often than others. */
const STARTS_PER_ROUND = 3;
const SETTLE_MS = 1500;
const IDLE_MS = 5_000;
const IDLE_MS_QUICK = 2000;
/** What the project promises. */
const START_MS_AIM = 400;
const IDLE_RSS_MIB_AIM = 120;

export const bench: Bench = {
  title: 'Start and idle',
  about: 'process start to first acknowledged record, and memory and processor time when idle, beside Apache Kafka',
  parts: candidateParts,
  seconds: { full: 130, quick: 50 },
  run: measureStarts,
};

const TITLE = 'From the start of the process, with an empty data folder';

async function measureStarts(context: BenchContext, findings: Findings): Promise<void> {
  const wanted = candidateParts.filter((part) => isWanted(context, part));
  const starts: Record<string, Start[]> = {};
  for (const part of wanted) {
    await findings.attempt(part, async () => {
      const candidate = openCandidate(part);
      try {
        starts[candidate.name] = await startOften(candidate, part, context);
      } finally {
        candidate.close();
      }
      findings.raw(candidate.name, starts[candidate.name]);
      reportFacts(candidate.name, part, starts[candidate.name]!, findings);
    });
  }
  findings.table({
    title: TITLE,
    columns: ['broker', 'ready', 'first record acknowledged', 'idle RSS', 'idle processor'],
    rows: Object.entries(starts).map(([name, all]) => rowOf(name, all)),
    notes: [
      `Aims of Millrace: ${START_MS_AIM} ms to the first acknowledged record, ${IDLE_RSS_MIB_AIM} MiB idle.`,
      'The topic is made by itself when the first client asks for it. "Ready" is the broker\'s own word, and for Kafka the moment when its port accepts connections; formatting its folder is not counted. Kafka has a fixed heap of 1 GiB, as its scripts give it. "For the first time": nothing that is compiled is kept yet.',
    ],
  });
}

/** Of the starts that users see again and again; the very first one is in the table only. */
function reportFacts(broker: string, part: CandidatePart, all: readonly Start[], findings: Findings): void {
  if (part.endsWith('first')) return;
  const place = { broker, client: '', table: TITLE };
  const idle = all.map(({ idleRssBytes }) => idleRssBytes).filter((bytes) => Number.isFinite(bytes));
  findings.fact({ what: 'start ms', load: 'empty folder', ...place, values: all.map((start) => start.acknowledgedMs) });
  findings.fact({ what: 'idle RSS', load: 'after one record', ...place, values: idle });
}

function rowOf(name: string, all: readonly Start[]): string[] {
  const cell = (read: (start: Start) => number, unit: string): string =>
    summarize(
      all.map(read).filter((value) => Number.isFinite(value)),
      (value) => `${digits(value)}${unit}`,
    );
  return [
    name,
    cell((start) => start.readyMs, ' ms'),
    cell((start) => start.acknowledgedMs, ' ms'),
    cell((start) => start.idleRssBytes / MIB, ' MiB'),
    cell((start) => start.idleCpuPercent, '%'),
  ];
}

async function startOften(candidate: Candidate, part: CandidatePart, context: BenchContext): Promise<Start[]> {
  const isKafka = part.startsWith('kafka');
  const count = isKafka || context.isQuick ? context.rounds : context.rounds * STARTS_PER_ROUND;
  const starts: Start[] = [];
  // The first one fills caches that every later one finds, on the disk and of compiled code.
  if (!isKafka && !part.endsWith('first')) await startOnce(candidate, 0);
  for (let n = 0; n < count; n += 1) {
    // To look at it while it is idle takes long, so a few looks must do.
    const idleMs = n < context.rounds ? (context.isQuick ? IDLE_MS_QUICK : IDLE_MS) : 0;
    const start = await startOnce(candidate, idleMs);
    context.progress(`${candidate.name}: ${start.acknowledgedMs.toFixed(0)} ms`);
    starts.push(start);
  }
  return starts;
}

async function startOnce(candidate: Candidate, idleMs: number): Promise<Start> {
  const broker = await candidate.start();
  try {
    const [readyAt, acknowledgedAt] = await Promise.all([broker.ready, firstAcknowledged(broker.port)]);
    const times = { readyMs: readyAt - broker.startedAt, acknowledgedMs: acknowledgedAt - broker.startedAt };
    if (idleMs === 0) return { ...times, idleRssBytes: Number.NaN, idleCpuPercent: Number.NaN };
    await sleep(SETTLE_MS);
    const before = usageOf(broker.pid);
    await sleep(idleMs);
    const after = usageOf(broker.pid);
    const idleCpuPercent = ((after.cpuSeconds - before.cpuSeconds) * 100_000) / idleMs;
    return { ...times, idleRssBytes: after.rssBytes, idleCpuPercent };
  } finally {
    await broker.stop();
  }
}
