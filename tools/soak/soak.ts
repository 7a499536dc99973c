/** The soak: producers and a group on a broker that everything happens to, and the judgement of what came of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { seededRandom } from '@millrace/ports';
import { stringSerde } from '@millrace/serdes';
import { SoakBroker } from './broker.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { Member } from './members.ts';
import { growthPerMinute, type MemorySample, sampleMemory } from './memory-watch.ts';
import { RECORDS_PER_SECOND, SEATS, Seat } from './seats.ts';
import { SoakLedger } from './soak-ledger.ts';
import { MEMBERS_MAX, REQUEST_TIMEOUT_MS, Troubles } from './troubles.ts';

export interface SoakOptions {
  readonly timeMs: number;
  readonly seed: number;
  readonly onSample?: ((sample: MemorySample, ledger: SoakLedger) => void) | undefined;
}

export interface SoakReport {
  readonly ledger: SoakLedger;
  readonly troubles: ReadonlyMap<string, number>;
  readonly cutsInFrames: number;
  readonly samples: readonly MemorySample[];
  /** Per minute, over the samples after the warm-up; NaN where there are too few. */
  readonly heapGrowthBytes: number;
  readonly bufferGrowthBytes: number;
  readonly socketsMax: number;
  readonly timersMax: number;
}

const TOPIC = 'soak';
const PARTITIONS = 6;
const GROUP = 'soakers';

/** What the heap may grow by in a minute, once warm: far below what keeping one object per record would make of it. */
export const HEAP_GROWTH_BYTES_PER_MINUTE_MAX: number = 512 * 1024;
/** The same for the memory of buffers. */
export const BUFFER_GROWTH_BYTES_PER_MINUTE_MAX: number = 1024 * 1024;
/** Growth is judged over samples from here on, as a part of the whole time: code is compiled and pools fill before. */
const WARM_UP_PART = 0.3;
/** Fewer say nothing about growth. */
const JUDGED_SAMPLES_MIN = 36;
const SAMPLES = 60;
/** Each client's connections: for requests, for fetches, for the group; and one that is being closed of each. */
const SOCKETS_PER_CLIENT_MAX = 6;
const TIMERS_PER_CLIENT_MAX = 12;
/** For what is on its way to be done when the load has ended. */
const SETTLE_MS_MAX = 60_000;
const HANDLES_GONE_MS_MAX = 10_000;

export async function soak({ timeMs, seed, onSample }: SoakOptions): Promise<SoakReport> {
  const ledger = new SoakLedger(PARTITIONS, Math.ceil((timeMs / 1_000) * (RECORDS_PER_SECOND / PARTITIONS)) + 1);
  const stopListening = reportRejections(ledger);
  const before = sampleMemory();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-soak-'));
  const proxy = await CuttingProxy.open();
  const broker = new SoakBroker(folder, proxy.port);
  try {
    proxy.brokerPort = await broker.start([{ topic: TOPIC, partitions: PARTITIONS }]);
    const samples: MemorySample[] = [];
    const counts = await load({ timeMs, seed, ledger, proxy, broker, samples, onSample });
    await proxy.close();
    await checkHandles(before, ledger);
    return {
      ledger,
      troubles: counts,
      cutsInFrames: proxy.cutsInFrames,
      samples,
      ...judgeMemory(samples, timeMs, ledger),
    };
  } finally {
    await broker.kill();
    await proxy.close().catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
    stopListening();
  }
}

interface Load extends SoakOptions {
  readonly ledger: SoakLedger;
  readonly proxy: CuttingProxy;
  readonly broker: SoakBroker;
  readonly samples: MemorySample[];
}

async function load({ timeMs, seed, ledger, proxy, broker, samples, onSample }: Load): Promise<Map<string, number>> {
  const client = {
    bootstrapServers: `127.0.0.1:${proxy.port}`,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    connectTimeoutMs: REQUEST_TIMEOUT_MS,
    retryBackoffMs: 20,
    retryBackoffMsMax: 200,
    reconnectBackoffMs: 10,
    reconnectBackoffMsMax: 200,
  };
  const sequencesMax = Math.ceil((timeMs / 1_000) * (RECORDS_PER_SECOND / PARTITIONS));
  const seatTarget = { topic: TOPIC, partitions: PARTITIONS, sequencesMax, ledger, client };
  const seats = Array.from({ length: SEATS }, (_, id) => new Seat(seatTarget, id));
  const memberTarget = { topic: TOPIC, groupId: GROUP, ledger, client };
  const members = [0, 2].map((kind) => new Member(memberTarget, kind));
  const random = seededRandom(seed);
  const troubles = new Troubles({ broker, proxy, seats, members, memberTarget, partitions: PARTITIONS, random });
  const sampler = setInterval(() => {
    const sample = sampleMemory();
    samples.push(sample);
    checkOpenHandles(sample, proxy.linkCount, ledger);
    onSample?.(sample, ledger);
  }, timeMs / SAMPLES);
  try {
    for (const seat of seats) seat.start();
    await troubles.run(performance.now() + timeMs);
  } finally {
    clearInterval(sampler);
  }
  await Promise.all(seats.map((seat) => seat.finish()));
  const ends = await readEverything(client, ledger);
  await groupReaches(ends, ledger);
  await Promise.all(members.map((member) => member.leave()));
  return troubles.counts;
}

/** Reads the whole topic, and returns where its partitions end. */
async function readEverything(client: { bootstrapServers: string }, ledger: SoakLedger): Promise<readonly number[]> {
  await using admin = new Admin(client);
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: TOPIC, partition }));
  const latest = await admin.listOffsets(partitions.map((place) => ({ ...place, at: 'latest' as const })));
  const ends = partitions.map(({ partition }) => latest.find((found) => found.partition === partition)?.offset ?? -1);
  await using consumer = new Consumer({ ...client, valueDeserializer: stringSerde });
  let left = ends.reduce((sum, end) => sum + end, 0);
  consumer.assign(partitions.map((place) => ({ ...place, offset: 0 })));
  if (left > 0) {
    for await (const { partition, offset, value } of consumer) {
      ledger.found(partition, offset, value ?? '');
      if (--left === 0) break;
    }
  }
  ledger.checkAllFound();
  return ends;
}

async function groupReaches(ends: readonly number[], ledger: SoakLedger): Promise<void> {
  const behind = (): number[] =>
    [...ends.keys()].filter((partition) => ledger.handledUpTo(partition) < ends[partition]!);
  for (const endMs = performance.now() + SETTLE_MS_MAX; behind().length > 0; await sleep(50)) {
    if (performance.now() < endMs) continue;
    ledger.violation(`the group does not come to the end of partitions ${behind().join(', ')}`);
    return;
  }
}

function checkOpenHandles({ sockets, timers }: MemorySample, links: number, ledger: SoakLedger): void {
  const clients = SEATS + MEMBERS_MAX;
  // The proxy is in this process too, with two sockets for each connection.
  if (sockets > clients * SOCKETS_PER_CLIENT_MAX + 2 * links) ledger.violation(`${sockets} sockets are open`);
  if (timers > clients * TIMERS_PER_CLIENT_MAX) ledger.violation(`${timers} timers are set`);
}

/** Closed clients leave nothing behind. */
async function checkHandles(before: MemorySample, ledger: SoakLedger): Promise<void> {
  let now = sampleMemory();
  const isClean = (): boolean => now.sockets <= before.sockets && now.timers <= before.timers;
  for (
    const endMs = performance.now() + HANDLES_GONE_MS_MAX;
    !isClean() && performance.now() < endMs;
    now = sampleMemory()
  )
    await sleep(100);
  if (now.sockets > before.sockets) {
    ledger.violation(`${now.sockets - before.sockets} sockets are left when all is closed`);
  }
  if (now.timers > before.timers) ledger.violation(`${now.timers - before.timers} timers are left when all is closed`);
}

function judgeMemory(
  samples: readonly MemorySample[],
  timeMs: number,
  ledger: SoakLedger,
): Pick<SoakReport, 'heapGrowthBytes' | 'bufferGrowthBytes' | 'socketsMax' | 'timersMax'> {
  const startMs = samples[0]?.atMs ?? 0;
  const judged = samples.filter(({ atMs }) => atMs - startMs >= timeMs * WARM_UP_PART);
  const heapGrowthBytes = growthPerMinute(judged, ({ heapBytes }) => heapBytes);
  const bufferGrowthBytes = growthPerMinute(judged, ({ bufferBytes }) => bufferBytes);
  // In a short run one compiled function is a steep slope.
  const isLong = judged.length >= JUDGED_SAMPLES_MIN && timeMs >= 120_000;
  if (isLong && heapGrowthBytes > HEAP_GROWTH_BYTES_PER_MINUTE_MAX) {
    ledger.violation(`the heap grows by ${Math.round(heapGrowthBytes / 1024)} KiB a minute`);
  }
  if (isLong && bufferGrowthBytes > BUFFER_GROWTH_BYTES_PER_MINUTE_MAX) {
    ledger.violation(`buffers grow by ${Math.round(bufferGrowthBytes / 1024)} KiB a minute`);
  }
  return {
    heapGrowthBytes,
    bufferGrowthBytes,
    socketsMax: Math.max(...samples.map(({ sockets }) => sockets)),
    timersMax: Math.max(...samples.map(({ timers }) => timers)),
  };
}

function reportRejections(ledger: SoakLedger): () => void {
  const onRejection = (reason: unknown): void => ledger.violation(`nobody handled a rejection: ${String(reason)}`);
  const onWarning = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') ledger.violation(`listeners pile up: ${warning.message}`);
  };
  process.on('unhandledRejection', onRejection);
  process.on('warning', onWarning);
  return () => {
    process.off('unhandledRejection', onRejection);
    process.off('warning', onWarning);
  };
}
