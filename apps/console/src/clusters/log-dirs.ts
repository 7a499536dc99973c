import type { LogDirRow } from '../api/contract.ts';
import type { Cluster } from './cluster.ts';
import { logDirsOf } from './topic-look.ts';

/** Replicas that are named of a folder. */
const LARGEST_MAX = 20;

/** The folders of all brokers that answer, with what is in them. */
export async function listLogDirs(cluster: Cluster): Promise<LogDirRow[]> {
  const dirs = await cluster.look('log-dirs', () => logDirsOf(cluster));
  return dirs
    .map(({ brokerId, path, totalBytes, usableBytes, replicas }) => ({
      broker: brokerId,
      path,
      totalBytes,
      freeBytes: usableBytes,
      bytes: replicas.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      replicas: replicas.length,
      largest: replicas
        .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
        .slice(0, LARGEST_MAX)
        .map(({ topic, partition, sizeBytes }) => ({ topic, partition, bytes: sizeBytes })),
    }))
    .sort((a, b) => a.broker - b.broker || a.path.localeCompare(b.path));
}
