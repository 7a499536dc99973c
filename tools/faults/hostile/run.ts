/** `pnpm faults hostile`: abuse after abuse, and what a quiet client and the process' memory meet meanwhile. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { ApiVersions, apiByKey, CreateTopics, FindCoordinator } from '@millrace/protocol';
import { RawClient } from '../raw-client.ts';
import { canMeasureProcesses, SpawnedBroker, usageOf } from '../spawned-broker.ts';
import { type Abuse, Place, sendFrame } from './abuse.ts';
import { KNOWN_NAME, type OversizedRequest, oversizedRequests, SIZES, type Size } from './oversized-requests.ts';
import { QuietClient } from './quiet-client.ts';
import { stubbornClients } from './stubborn-clients.ts';

const MIB = 1024 * 1024;
/** What a quiet client may have to wait beside abuse of up to 1 MiB, and beside more. */
const WAIT_MS_MAX = { small: 100, large: 1_000 };
/** How often a wait is measured that seems too long. */
const ATTEMPTS = 3;
const RSS_BYTES_MAX = 2_048 * MIB;
const LARGE_RSS_BYTES = 512 * MIB;

export interface HostileOptions {
  /** Only abuse whose name has this in it. */
  readonly only?: string | undefined;
  readonly sizes?: readonly Size[] | undefined;
  /** Every so-manieth kind alone, as `2/6`, so that a long run can be cut into pieces. */
  readonly part?: string | undefined;
  /** Prints every row, not only those beyond the measure and the worst of each API. */
  readonly all?: boolean | undefined;
  readonly print: (line: string) => void;
}

interface Row {
  readonly abuse: string;
  readonly mebibytes: number;
  readonly outcome: string;
  readonly longestWaitMs: number;
  readonly rssPeakMib: number;
  /** Whether a wait is all that is wrong. */
  readonly isTooSlow: boolean;
  readonly fault: string | undefined;
}

/** Whether everything stayed within the measure. */
export async function runHostile(options: HostileOptions): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-'));
  let broker = await startBroker(folder);
  const rows: Row[] = [];
  try {
    const abuses = wanted([...stubbornClients, ...(await oversizedAbuses(broker, options.sizes ?? SIZES))], options);
    const quietRow = await measure(broker, { name: 'nothing at all', mebibytes: 0, run: nothing });
    options.print(heading());
    options.print(line({ ...quietRow, fault: undefined }));
    for (const abuse of abuses) {
      const row = await measureCalmly(broker, abuse);
      rows.push(row);
      if (options.all === true || row.fault !== undefined) options.print(line(row));
      broker = await freshBroker(broker, folder);
    }
    for (const row of worstOfEach(rows)) options.print(line(row));
  } finally {
    const { code } = await broker.stop();
    if (code !== 0) options.print(`The broker ended with ${code}`);
    rmSync(folder, { recursive: true, force: true });
  }
  const faults = rows.filter(({ fault }) => fault !== undefined);
  options.print(`${rows.length} kinds of abuse, ${faults.length} beyond the measure`);
  return faults.length === 0;
}

function wanted(abuses: readonly Abuse[], { only, part }: HostileOptions): Abuse[] {
  const [number = 1, of = 1] = part?.split('/').map(Number) ?? [];
  return abuses
    .filter(({ name }) => only === undefined || name.includes(only))
    .filter((_, at) => at % of === number - 1);
}

/** The same broker, or a new one where the last abuse has left it large: the next row is to show what the next abuse costs. */
async function freshBroker(broker: SpawnedBroker, folder: string): Promise<SpawnedBroker> {
  if (broker.isRunning) {
    if (!canMeasureProcesses || usageOf(broker.pid).rssBytes < LARGE_RSS_BYTES) return broker;
    await broker.stop();
  }
  return startBroker(folder);
}

/**
 * Measures again what seems to be beyond the measure only because somebody waited, and keeps the shortest: what else the machine does
 * makes a wait longer and never shorter, and what the abuse itself costs comes back every time.
 */
async function measureCalmly(broker: SpawnedBroker, abuse: Abuse): Promise<Row> {
  let row = await measure(broker, abuse);
  for (let again = 1; again < ATTEMPTS && row.isTooSlow && broker.isRunning; again += 1) {
    const next = await measure(broker, abuse);
    if (next.longestWaitMs < row.longestWaitMs || !next.isTooSlow) row = next;
  }
  return row;
}

async function nothing(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  return 'quiet';
}

/** A broker with a topic and a group, as a hostile client would find them. */
export async function startBroker(folder: string): Promise<SpawnedBroker> {
  const broker = await SpawnedBroker.start({ folder });
  await using admin = new Admin({ bootstrapServers: broker.bootstrap });
  await prepare(broker);
  await admin.listGroups();
  return broker;
}

/** Makes the topic that requests name, and the coordinator, again: abuse may have deleted it. */
async function prepare(broker: SpawnedBroker): Promise<void> {
  const client = await RawClient.connect(broker.port);
  const topics = [{ name: KNOWN_NAME, numPartitions: 4, replicationFactor: 1, assignments: [], configs: [] }];
  await client.ask(CreateTopics, 2, { topics, timeoutMs: 10_000 });
  await client.ask(FindCoordinator, 1, { key: KNOWN_NAME, keyType: 0 });
  client.close();
}

/** For every API that the broker advertises, in the newest and the oldest of its versions. */
export async function oversizedAbuses(broker: SpawnedBroker, sizes: readonly Size[]): Promise<Abuse[]> {
  const client = await RawClient.connect(broker.port);
  const { apiKeys } = await client.ask(ApiVersions, 0, {});
  client.close();
  return apiKeys.flatMap(({ apiKey, minVersion, maxVersion }) => {
    const api = apiByKey.get(apiKey)!;
    return [...new Set([maxVersion, minVersion])].flatMap((version) =>
      oversizedRequests(api, version, sizes).map(abuseOf),
    );
  });
}

function abuseOf(request: OversizedRequest): Abuse {
  const frame = request.frame;
  return {
    name: `${request.name}, ${request.size}`,
    mebibytes: request.size === '95 MiB' ? 95 : request.size === '1 MiB' ? 1 : Math.ceil(frame().length / MIB),
    run: async (place) => `${request.elements} elements: ${await sendFrame(place, frame())}`,
  };
}

async function measure(broker: SpawnedBroker, abuse: Abuse): Promise<Row> {
  await using quiet = new QuietClient(broker.port);
  await prepare(broker);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // Makes the peak the present size.
  if (canMeasureProcesses) writeFileSync(`/proc/${broker.pid}/clear_refs`, '5');
  await quiet.report();
  let outcome: string;
  let fault: string | undefined;
  {
    using place = new Place(broker);
    try {
      outcome = await abuse.run(place);
    } catch (error) {
      outcome = error instanceof Error ? error.message : String(error);
      fault = outcome;
    }
  }
  const { longestMs } = await quiet.report();
  const rssPeak = canMeasureProcesses && broker.isRunning ? usageOf(broker.pid).rssPeakBytes : 0;
  const waitMsMax = abuse.mebibytes <= 1 ? WAIT_MS_MAX.small : WAIT_MS_MAX.large;
  if (rssPeak > RSS_BYTES_MAX) fault ??= 'it took more than 2 GiB';
  if (!broker.isRunning) fault = `the broker ended: ${broker.output.slice(-300)}`;
  if (outcome === 'no answer') fault ??= outcome;
  const isTooSlow = fault === undefined && longestMs > waitMsMax;
  if (isTooSlow) fault = `a quiet client waited more than ${waitMsMax} ms, ${ATTEMPTS} times`;
  return {
    abuse: abuse.name,
    mebibytes: abuse.mebibytes,
    outcome,
    longestWaitMs: longestMs,
    rssPeakMib: rssPeak / MIB,
    isTooSlow,
    fault,
  };
}

/** The longest wait of each API, and all that is not one large request. */
function worstOfEach(rows: readonly Row[]): Row[] {
  const worst = new Map<string, Row>();
  for (const row of rows) {
    const key = / v\d+ /.test(row.abuse) ? row.abuse.split(' ')[0]! : row.abuse;
    const before = worst.get(key);
    if (before === undefined || before.longestWaitMs < row.longestWaitMs) worst.set(key, row);
  }
  return [...worst.values()];
}

function heading(): string {
  return `${'longest wait'.padStart(12)} ${'RSS peak'.padStart(10)}  abuse`;
}

function line({ abuse, outcome, longestWaitMs, rssPeakMib, fault }: Row): string {
  const wait = `${longestWaitMs.toFixed(0)} ms`.padStart(12);
  const rss = `${rssPeakMib.toFixed(0)} MiB`.padStart(10);
  return `${wait} ${rss}  ${abuse}: ${outcome}${fault === undefined ? '' : `  FAULT: ${fault}`}`;
}
