import type { BrokerConfig } from './config/broker-config.ts';
import type { ReplicaManager } from './replicas/replica-manager.ts';

/** How a broker is; for health checks. */
export interface BrokerHealth {
  readonly brokerId: number;
  /** Null until the broker has found out. */
  readonly clusterId: string | null;
  /** Replicas on this broker. */
  readonly partitions: number;
  /** Log folders that have failed since the start. */
  readonly offlineLogDirs: readonly string[];
  /** Log folders whose volume has no room for a batch of the largest size (`message.max.bytes`). */
  readonly fullLogDirs: readonly string[];
}

/** How the broker is whose replicas these are; undefined before it has any. */
export async function healthOf(
  replicas: ReplicaManager | undefined,
  { brokerId, messageMaxBytes }: BrokerConfig,
  clusterId: string | null,
): Promise<BrokerHealth> {
  let partitions = 0;
  for (const _ of replicas?.partitions ?? []) partitions += 1;
  const offlineLogDirs: string[] = [];
  const fullLogDirs: string[] = [];
  for (const { path, isOnline } of replicas?.logDirs ?? []) {
    const usableBytes = isOnline ? (await replicas?.volumeOf(path))?.usableBytes : undefined;
    if (!isOnline) offlineLogDirs.push(path);
    else if (usableBytes !== undefined && usableBytes < messageMaxBytes) fullLogDirs.push(path);
  }
  return { brokerId, clusterId, partitions, offlineLogDirs, fullLogDirs };
}
