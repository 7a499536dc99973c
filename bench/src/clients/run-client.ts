/** Runs a client's job in a process of its own, and looks at the broker meanwhile. */
import { join } from 'node:path';
import type { BenchContext } from '../bench.ts';
import type { RunningBroker } from '../brokers.ts';
import { runNode } from '../processes.ts';
import { rssBytesOf } from './cpu.ts';
import { runJava } from './java.ts';
import type { Job, LatencyResult, RawJob, RawResult, ThroughputResult } from './jobs.ts';
import { runLibrdkafka } from './librdkafka.ts';

/** A client, and how it is used. */
export interface Client {
  /** As the report calls it. */
  readonly label: string;
  readonly client: 'millrace' | 'kafkajs' | 'platformatic' | 'librdkafka' | 'java' | 'redis' | 'nats' | 'rabbitmq';
  readonly mode: string;
  /** The checkout whose SDKs it uses, for a client in Node; this one by default. */
  readonly checkout?: string;
}

/** How large the broker was when the client was done. */
export interface BrokerUse {
  readonly brokerRssBytes: number;
}

/** Beyond what the job says it takes. */
const GRACE_MS = 40_000;

export async function runClient<Result extends ThroughputResult | LatencyResult>(
  { client, mode, checkout }: Client,
  job: DistributiveOmit<Job, 'mode' | 'bootstrap' | 'brokerPid'>,
  broker: RunningBroker,
  context: BenchContext,
  profileName?: string,
): Promise<Result & BrokerUse> {
  const whole = { ...job, mode, bootstrap: broker.bootstrap, brokerPid: broker.pid } as Job;
  const timeoutMs = job.warmUpMs + job.timeMs + GRACE_MS;
  const result = await runWhole<Result>(client, whole, timeoutMs, context, profileName, checkout);
  return { ...result, brokerRssBytes: rssBytesOf(broker.pid) };
}

function runWhole<Result>(
  client: Client['client'],
  job: Job,
  timeoutMs: number,
  context: BenchContext,
  profileName: string | undefined,
  checkout: string | undefined,
): Promise<Result> {
  if (client === 'librdkafka') return runLibrdkafka<Result>(job, timeoutMs);
  if (client === 'java') return runJava(job, timeoutMs) as Promise<Result>;
  const profile =
    context.profiles && profileName !== undefined
      ? { folder: context.reportFolder, name: `${profileName}.cpuprofile` }
      : undefined;
  const folder = checkout === undefined ? import.meta.dirname : join(checkout, 'bench/src/clients');
  return runNode<Result>(join(folder, 'client-child.ts'), { client, job }, { timeoutMs, profile });
}

/** As {@link runClient}, for batches that were built beforehand. */
export async function runRaw(
  job: Omit<RawJob, 'bootstrap' | 'brokerPid'>,
  broker: RunningBroker,
): Promise<RawResult & BrokerUse> {
  const timeoutMs = job.warmUpMs + job.timeMs + GRACE_MS;
  const script = join(import.meta.dirname, 'raw-child.ts');
  const whole: RawJob = { ...job, bootstrap: broker.bootstrap, brokerPid: broker.pid };
  const result = await runNode<RawResult>(script, whole, { timeoutMs });
  return { ...result, brokerRssBytes: rssBytesOf(broker.pid) };
}

/** `Omit` that keeps the members of a union apart. */
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
