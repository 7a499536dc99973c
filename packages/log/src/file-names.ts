/** Suffixes of the files of a segment and of a partition's folder, as Kafka's `LogFileUtils` has them. */
export const LOG_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const TRANSACTION_INDEX_SUFFIX = '.txnindex';
/** The files of a segment, the log first. */
export const SEGMENT_SUFFIXES = [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX] as const;
export const PRODUCER_SNAPSHOT_SUFFIX = '.snapshot';
/** Renamed so before removal; what a crash leaves behind is removed at the next start. */
export const DELETED_SUFFIX = '.deleted';
/** Written by a compaction that has not finished; worthless after a crash. */
export const CLEANED_SUFFIX = '.cleaned';
/** Written by a compaction that has finished, about to take the place of other segments. */
export const SWAP_SUFFIX = '.swap';
/** A folder whose partition was deleted. */
export const DELETED_FOLDER_SUFFIX = '-delete';
/** A folder that is kept though its topic is another now (Kafka's `UnifiedLog.StrayDirSuffix`). */
export const STRAY_FOLDER_SUFFIX = '-stray';

/** A folder that a log is copied into (Kafka's `UnifiedLog.FutureDirSuffix`). */
export const FUTURE_FOLDER_SUFFIX = '-future';
/** In such a folder, when all is in it. */
export const MOVE_COMPLETE = 'move-complete';

export const LEADER_EPOCH_CHECKPOINT = 'leader-epoch-checkpoint';
export const PARTITION_METADATA = 'partition.metadata';
export const META_PROPERTIES = 'meta.properties';
export const CLEAN_SHUTDOWN_MARKER = '.kafka_cleanshutdown';
export const LOCK_FILE = '.lock';
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint';
export const HIGH_WATERMARK_CHECKPOINT = 'replication-offset-checkpoint';
/** Up to where logs are compacted. */
export const CLEANER_OFFSET_CHECKPOINT = 'cleaner-offset-checkpoint';
export const LOG_START_OFFSET_CHECKPOINT = 'log-start-offset-checkpoint';

/** Where Kafka in KRaft mode keeps its own metadata: in the format of a partition, but no topic of anybody's. */
const KRAFT_TOPIC = '__cluster_metadata';

const OFFSET_DIGITS = 20;
const OFFSET_FILE = /^(\d{20})(\.[a-z]+)$/;
/** A folder's name has at most 255 bytes. */
const FOLDER_NAME_LENGTH_MAX = 255;
/** What a recovery has cut off and kept; Kafka passes over such names. */
export const SET_ASIDE_FILE: RegExp = /^(\d{20})\.\d+-\d+-[\da-f]{8}\.cut$/;
const FUTURE_FOLDER = /^(.+-\d+)\.[\da-f]{32}-future$/;
const PARTITION_FOLDER = /^(.+)-(\d+)$/;

/** `00000000000000000042.log` for 42 and `.log`. */
export function offsetFileName(offset: number, suffix: string): string {
  return String(offset).padStart(OFFSET_DIGITS, '0') + suffix;
}

/** The offset of a file's name, when the name is an offset and `suffix`. */
export function offsetOfFileName(name: string, suffix: string): number | undefined {
  const match = OFFSET_FILE.exec(name);
  return match?.[2] === suffix ? Number(match[1]) : undefined;
}

/** Names bytes that a recovery keeps: their segment, their place in it, how many they are, and a sum that tells them from others. */
export function setAsideFileName(bytes: {
  baseOffset: number;
  position: number;
  sizeBytes: number;
  crc: number;
}): string {
  const { baseOffset, position, sizeBytes, crc } = bytes;
  return offsetFileName(baseOffset, `.${position}-${sizeBytes}-${crc.toString(16).padStart(8, '0')}.cut`);
}

/** The folder of a partition within its log directory. */
export function partitionFolderName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The topic and partition of a folder's name; undefined for folders that are no partition's of a topic. */
export function parsePartitionFolderName(name: string): { topic: string; partition: number } | undefined {
  const match = PARTITION_FOLDER.exec(name);
  const topic = match?.[1];
  return topic === undefined || topic === KRAFT_TOPIC ? undefined : { topic, partition: Number(match?.[2]) };
}

/** Whether the folders that a log is copied into can have names (Kafka refuses to move the others as well). */
export function canMove(topic: string, partition: number): boolean {
  return partitionFolderName(topic, partition).length + FUTURE_FOLDER_SUFFIX.length + 33 <= FOLDER_NAME_LENGTH_MAX;
}

/** `topic-partition.id-future`, or with another suffix, the topic cut where the name would be too long (Kafka's `LocalLog.logDeleteDirName`). */
export function markedFolderName(topic: string, partition: number, id: Uint8Array, suffix: string): string {
  const ending = `-${partition}.${Buffer.from(id).toString('hex')}${suffix}`;
  return topic.slice(0, FOLDER_NAME_LENGTH_MAX - ending.length) + ending;
}

/** The partition whose copy a folder is; undefined for other folders. */
export function parseFutureFolderName(name: string): { topic: string; partition: number } | undefined {
  const partitionFolder = FUTURE_FOLDER.exec(name)?.[1];
  return partitionFolder === undefined ? undefined : parsePartitionFolderName(partitionFolder);
}
