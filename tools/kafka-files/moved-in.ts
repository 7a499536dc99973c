/** Puts partition folders that Kafka wrote under a broker of ours. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { SpawnedBroker } from '../faults/spawned-broker.ts';

/**
 * Topics come into the metadata first: they are created on a broker that then stops. Its empty partition folders are replaced by
 * copies of Kafka's, but for the topic's id, which is the one that our metadata has. What else Kafka keeps in its directory
 * (`__cluster_metadata-0`, `bootstrap.checkpoint`, `meta.properties`) tells of its cluster and stays behind.
 */
export async function moveIn(kafkaLogDir: string, folder: string, topics: readonly string[]): Promise<SpawnedBroker> {
  const settings = { 'log.cleaner.enable': false, 'num.partitions': 1 };
  const first = await SpawnedBroker.start({ folder, settings });
  try {
    await using admin = new Admin({ bootstrapServers: first.bootstrap });
    await admin.createTopics(topics.map((topic) => ({ topic, partitions: 1 })));
  } finally {
    await first.stop();
  }
  for (const topic of topics) replaceFolder(join(kafkaLogDir, `${topic}-0`), join(folder, `${topic}-0`));
  // Without the marker of a clean stop, every segment is scanned.
  rmSync(join(folder, '.kafka_cleanshutdown'), { force: true });
  return SpawnedBroker.start({ folder, settings });
}

function replaceFolder(from: string, to: string): void {
  const metadata = readFileSync(join(to, 'partition.metadata'));
  for (const name of readdirSync(to)) rmSync(join(to, name), { recursive: true });
  cpSync(from, to, { recursive: true });
  writeFileSync(join(to, 'partition.metadata'), metadata);
}

/** Whether a log directory of Kafka's in KRaft mode holds what stays behind. */
export function kraftFiles(kafkaLogDir: string): string[] {
  return ['__cluster_metadata-0', 'bootstrap.checkpoint'].filter((name) => existsSync(join(kafkaLogDir, name)));
}
