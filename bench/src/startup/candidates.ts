/** Brokers that are started and left alone: Millrace as it is installed and as it is in a checkout, and Apache Kafka. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BROKER_PROGRAM, SpawnedBroker } from '../../../tools/faults/spawned-broker.ts';
import { freePort, KAFKA_3, KAFKA_4, startApacheKafka } from '../../../tools/kafka/index.ts';
import { installBuilt } from './installed.ts';

/** A process that was started a moment ago. */
export interface StartedBroker {
  readonly pid: number;
  readonly port: number;
  /** When the process was started, in the time of `performance.now`. */
  readonly startedAt: number;
  /** Resolves when the broker itself, or what stands in for its word, says that it serves; with the time of that. */
  readonly ready: Promise<number>;
  /** Ends it and removes what it has written. */
  stop(): Promise<void>;
}

/** A way to start a broker, each time with an empty data folder. */
export interface Candidate {
  readonly name: string;
  /** What `--only` calls it. */
  readonly part: string;
  start(): Promise<StartedBroker>;
  /** Removes what all its starts share. */
  close(): void;
}

const parts = ['built', 'built-first', 'source', 'source-first', 'kafka-3', 'kafka-4'] as const;
export type CandidatePart = (typeof parts)[number];
export const candidateParts: readonly CandidatePart[] = parts;

/** Makes a candidate ready to be started; for the built one that means to build. */
export function openCandidate(part: CandidatePart): Candidate {
  switch (part) {
    case 'built':
      return builtMillrace('Millrace as installed', part);
    case 'built-first':
      return neverCompiled(builtMillrace('Millrace as installed, for the first time', part));
    case 'source':
      return millrace('Millrace from source', part, BROKER_PROGRAM);
    case 'source-first':
      return neverCompiled(millrace('Millrace from source, for the first time', part, BROKER_PROGRAM));
    case 'kafka-3':
      return kafka(part, KAFKA_3);
    case 'kafka-4':
      return kafka(part, KAFKA_4);
  }
}

/** A Millrace with a program, started in a way that may differ by its environment. */
interface MillraceCandidate extends Candidate {
  start(env?: Readonly<Record<string, string>>): Promise<StartedBroker>;
}

function builtMillrace(name: string, part: string): MillraceCandidate {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' };
  const root = join(import.meta.dirname, '../../..');
  execFileSync('turbo', ['run', 'build', '--filter=millrace', '--output-logs=errors-only'], { cwd: root, env });
  const { program, folder } = installBuilt();
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  return { ...millrace(name, part, [program, 'start']), close };
}

/** As on a machine that has never run it: nothing is compiled yet. */
function neverCompiled(candidate: MillraceCandidate): Candidate {
  const folder = mkdtempSync(join(tmpdir(), 'bench-compile-cache-'));
  let starts = 0;
  return {
    ...candidate,
    start: () => candidate.start({ NODE_COMPILE_CACHE: join(folder, String(starts++)) }),
    close() {
      candidate.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function millrace(name: string, part: string, program: readonly string[]): MillraceCandidate {
  return {
    name,
    part,
    async start(env = {}) {
      const folder = mkdtempSync(join(tmpdir(), 'bench-start-'));
      const port = await freePort();
      // With its HTTP port, as `millrace start` opens it.
      const settings = { 'millrace.http.port': 0 };
      const broker = new SpawnedBroker({ folder, port, program, settings, env });
      return {
        pid: broker.pid,
        port,
        startedAt: broker.startedAt,
        ready: broker.ready().then(() => broker.startedAt + broker.readyMs),
        async stop() {
          await broker.stop();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
    close: () => undefined,
  };
}

function kafka(part: string, version: string): Candidate {
  return {
    name: `Apache Kafka ${version}`,
    part,
    async start() {
      // Returns when the port accepts connections; how long the process has been running by then, the system knows.
      const { pid, port, stop } = await startApacheKafka({ version });
      return { pid, port, startedAt: startOf(pid), ready: Promise.resolve(performance.now()), stop: () => stop() };
    },
    close: () => undefined,
  };
}

const TICKS_PER_SECOND = 100;
const START_FIELD = 19;

/** When a process was started, to a hundredth of a second. */
function startOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const startedSeconds = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD]) / TICKS_PER_SECOND;
  const uptimeSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return performance.now() - (uptimeSeconds - startedSeconds) * 1000;
}
