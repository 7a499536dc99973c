import { type Disk, parseProperties } from '@millrace/ports';
import { readIfThere } from './checkpoint-file.ts';
import { ForeignFolderError, MalformedFileError } from './errors.ts';
import { PARTITION_METADATA } from './file-names.ts';

/** Who a log directory belongs to. */
export interface FolderOwner {
  readonly brokerId: number;
  readonly clusterId: string;
}

/** The content of `meta.properties`, as Kafka in ZooKeeper mode writes it. */
export function encodeMetaProperties({ brokerId, clusterId }: FolderOwner): Buffer {
  return Buffer.from(`version=0\nbroker.id=${brokerId}\ncluster.id=${clusterId}\n`);
}

/**
 * Checks that a log directory is this broker's. Takes the version 1 of KRaft brokers too (`node.id`).
 *
 * @param owner What is known of this broker; what is not is not compared.
 * @throws ForeignFolderError when it is another's; MalformedFileError
 */
export function checkMetaProperties(bytes: Buffer, path: string, folder: string, owner: Partial<FolderOwner>): void {
  const properties = parseProperties(bytes.toString('utf8'));
  const version = properties.get('version');
  if (version === undefined) throw new MalformedFileError(path, whyNone(bytes, properties));
  if (version !== '0' && version !== '1') {
    throw new MalformedFileError(path, `version ${JSON.stringify(version)} is not known, only 0 and 1 are`);
  }
  const idName = version === '0' ? 'broker.id' : 'node.id';
  const brokerId = properties.get(idName);
  if (brokerId !== undefined && !/^-?\d+$/.test(brokerId)) {
    throw new MalformedFileError(path, `${idName} ${JSON.stringify(brokerId)} is no number`);
  }
  if (brokerId !== undefined && owner.brokerId !== undefined && Number(brokerId) !== owner.brokerId) {
    throw new ForeignFolderError(
      folder,
      `${path} says broker ${brokerId}, the configuration says ${owner.brokerId}: set broker.id to ${brokerId}, or log.dirs to another folder`,
    );
  }
  const clusterId = properties.get('cluster.id');
  if (clusterId !== undefined && owner.clusterId !== undefined && clusterId !== owner.clusterId) {
    throw new ForeignFolderError(
      folder,
      `${path} says cluster ${clusterId}, but the metadata store is cluster ${owner.clusterId}'s: use the metadata that belongs to the folder, or another folder`,
    );
  }
}

/** What a file is that lacks the line which all of its kind have. */
function whyNone(bytes: Buffer, properties: ReadonlyMap<string, string>): string {
  if (bytes.toString('utf8').trim() === '') return 'it is empty';
  const hasOthers = ['broker.id', 'node.id', 'cluster.id'].some((name) => properties.has(name));
  return hasOthers ? 'it has no version' : 'it is something else: it has neither version nor broker.id nor cluster.id';
}

/** Who a log directory says that it belongs to, as far as it does; version 1 of KRaft brokers has `node.id`. */
export function readFolderOwner(bytes: Buffer): Partial<FolderOwner> {
  const properties = parseProperties(bytes.toString('utf8'));
  const brokerId = Number(properties.get('broker.id') ?? properties.get('node.id') ?? Number.NaN);
  const clusterId = properties.get('cluster.id');
  return {
    ...(Number.isSafeInteger(brokerId) && brokerId >= 0 ? { brokerId } : {}),
    ...(clusterId === undefined || clusterId === '' ? {} : { clusterId }),
  };
}

/** The content of `partition.metadata`. */
export function encodePartitionMetadata(topicId: string): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}`);
}

/**
 * The topic's id; undefined where the file says none, as after a crash just behind its creation. A power loss may leave the front of
 * an id: what is no whole one is none, since it would make the log look like a deleted topic's.
 */
export function decodePartitionMetadata(bytes: Buffer): string | undefined {
  return /^topic_id: ([\w-]{22})$/m.exec(bytes.toString('utf8'))?.[1];
}

/** The content of `.kafka_cleanshutdown`. */
export function encodeCleanShutdownMarker(brokerEpoch: number): Buffer {
  return Buffer.from(JSON.stringify({ version: 0, brokerEpoch }));
}

/** The broker's epoch when it stopped; -1 when the marker says none (older Kafkas wrote an empty file). */
export function decodeCleanShutdownMarker(bytes: Buffer): number {
  try {
    const { brokerEpoch } = JSON.parse(bytes.toString('utf8')) as { brokerEpoch?: unknown };
    return typeof brokerEpoch === 'number' ? brokerEpoch : -1;
  } catch {
    return -1;
  }
}

/**
 * Writes the `partition.metadata` of a log that is being made. Not synced: the first record's write syncs the folder, and until then a crash
 * may forget the partition's files.
 */
export async function writePartitionMetadata(disk: Disk, folder: string, topicId: string): Promise<void> {
  const file = await disk.open(`${folder}/${PARTITION_METADATA}`, { create: true });
  try {
    await file.write(0, [encodePartitionMetadata(topicId)], { sync: false });
  } finally {
    await file.close();
  }
}

/**
 * Writes the file of a partition's topic again as it is, durably. The process before may have died of a sync of it that failed: what is
 * read here may then be in memory only, and a sync alone would not bring it to the disk.
 */
export async function rewritePartitionMetadata(disk: Disk, folder: string): Promise<void> {
  const path = `${folder}/${PARTITION_METADATA}`;
  const bytes = await readIfThere(disk, path);
  if (bytes === undefined) return;
  const file = await disk.open(path);
  await file.write(0, [bytes], { sync: true }).finally(() => file.close());
}
