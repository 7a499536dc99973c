/** Cuts the power under a broker's load: what its file system had not written to the device is lost with it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { seededRandom } from '@millrace/ports';
import { freePort } from '../kafka/broker.ts';
import { type CrashReport, type CrashRunOptions, type CrashSite, runCrashes } from './crash-run.ts';
import { Ledger, loadValue } from './ledger.ts';
import { fetchAll, LoadProducer } from './load.ts';
import { type FileSystem, LoopDisk } from './loop-disk.ts';
import { SpawnedBroker } from './spawned-broker.ts';

/** See `killNine`; the broker's data is on a file system of its own. @throws Error where there can be none */
export async function powerLoss(
  fileSystem: FileSystem,
  options: Omit<CrashRunOptions, 'site'> & { readonly parent?: string },
): Promise<CrashReport> {
  const disk = new LoopDisk(fileSystem, options.parent);
  try {
    return await runCrashes({ ...options, site: siteOn(disk) });
  } finally {
    await disk.remove();
  }
}

/**
 * A power cut stops the process in the same moment as the disk. So does this: the kernel answers some syncs that are under way while
 * it shuts a file system down as if they had succeeded (see README.md), and nobody may act on such an answer.
 */
function siteOn(disk: LoopDisk): CrashSite {
  return {
    folder: join(disk.folder, 'data'),
    async crash(broker) {
      broker.freeze();
      disk.cutPower();
      await broker.kill();
      await disk.powerOn();
    },
  };
}

/** What one cut cost a broker that does not sync. */
export interface UnsyncedLoss {
  readonly recordsAcknowledged: number;
  readonly recordsLost: number;
}

export interface UnsyncedOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly loadMsMax?: number;
  readonly parent?: string;
  readonly onRound?: (line: string) => void;
}

/**
 * What the same cuts do to a broker with Kafka's default for `log.flush.interval.messages`, which leaves syncing to the system and
 * relies on replicas: it shows that the cuts are real, and that the check sees what they take. Each round begins anew.
 */
export async function unsyncedLosses(fileSystem: FileSystem, options: UnsyncedOptions): Promise<UnsyncedLoss[]> {
  const disk = new LoopDisk(fileSystem, options.parent);
  const random = seededRandom(options.seed);
  const losses: UnsyncedLoss[] = [];
  try {
    for (let round = 1; round <= options.rounds; round += 1) {
      const loss = await loseOnce(siteOn(disk), random.nextInt(options.loadMsMax ?? 3000));
      losses.push(loss);
      options.onRound?.(`cut ${round}: ${loss.recordsLost} of ${loss.recordsAcknowledged} acknowledged records lost`);
      rmSync(join(disk.folder, 'data'), { recursive: true, force: true });
    }
  } finally {
    await disk.remove();
  }
  return losses;
}

async function loseOnce(site: CrashSite, loadMs: number): Promise<UnsyncedLoss> {
  const port = await freePort();
  const settings = { 'log.flush.interval.messages': '9223372036854775807' };
  const process = { folder: site.folder, port, settings };
  const bootstrapServers = `127.0.0.1:${port}`;
  const ledger = new Ledger();
  const target = { bootstrapServers, topic: 'unsynced', partitions: 2, ledger };
  let broker = await SpawnedBroker.start(process);
  try {
    await using admin = new Admin({ bootstrapServers });
    await admin.createTopics([{ topic: target.topic, partitions: target.partitions }]);
    const producer = new LoadProducer(target, 0);
    await sleep(loadMs);
    // A cut before anything was acknowledged shows nothing.
    while (ledger.recordsAcknowledged === 0) await sleep(1);
    const [, recordsAcknowledged] = await Promise.all([
      site.crash(broker),
      producer.abort().then(() => ledger.recordsAcknowledged),
    ]);
    broker = await SpawnedBroker.start(process);
    return { recordsAcknowledged, recordsLost: recordsAcknowledged - (await countFound(target)) };
  } finally {
    await broker.kill();
  }
}

/** How many of the acknowledged records are where they were acknowledged. */
async function countFound({
  bootstrapServers,
  topic,
  partitions,
  ledger,
}: {
  bootstrapServers: string;
  topic: string;
  partitions: number;
  ledger: Ledger;
}): Promise<number> {
  await using client = new KafkaClient({ bootstrapServers });
  let found = 0;
  for (let partition = 0; partition < partitions; partition += 1) {
    const sentAt = ledger.sentAt(partition);
    for await (const { offset, value } of fetchAll(client, topic, partition)) {
      const sent = sentAt.get(offset);
      if (sent !== undefined && value === loadValue(sent)) found += 1;
    }
  }
  return found;
}
