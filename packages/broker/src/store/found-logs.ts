/** A partition's log as it describes itself. */
export interface FoundLog {
  readonly topic: string;
  readonly partition: number;
  /** Undefined where `partition.metadata` says none. */
  readonly topicId: string | undefined;
  /** The last leader epoch that the log knows; -1 for none. */
  readonly leaderEpoch: number;
  /** The broker that has it; undefined where all logs are of one. */
  readonly brokerId?: number | undefined;
  /** Reads where the log ends. Asked only where several brokers have logs of one partition. */
  readonly endOffset?: (() => Promise<number>) | undefined;
}

/** What the logs of one partition say together. */
export interface FoundPartition {
  /** The last leader epoch that any of them knows. */
  readonly leaderEpoch: number;
  /** All brokers that have one, with those first that have all that any of them has; empty where the logs do not say whose they are. */
  readonly replicas: readonly number[];
  /** Those that have all that any of them has: records of the last epoch, and most of these. */
  readonly complete: readonly number[];
}

/** Leader epochs from here on are none that a controller has come to. */
const EPOCH_END = 2 ** 30;

/** A batch's epoch lies outside its CRC: one that nobody can have come to is damage, and the next leader drops it. */
export function plausibleEpoch(epoch: number): number {
  return epoch < EPOCH_END ? epoch : -1;
}

/** What logs of one partition say together. They follow one another, so whoever has the end of the last epoch has all before it. */
export async function foundPartition(logs: readonly FoundLog[]): Promise<FoundPartition> {
  const epochs = new Map(logs.map((log) => [log, plausibleEpoch(log.leaderEpoch)]));
  const leaderEpoch = Math.max(-1, ...epochs.values());
  const owned = logs.flatMap((log) => (log.brokerId === undefined ? [] : [{ log, brokerId: log.brokerId }]));
  const last = owned.filter(({ log }) => epochs.get(log) === leaderEpoch);
  const ends = new Map<number, number>();
  for (const { log, brokerId } of last) ends.set(brokerId, last.length > 1 ? await (log.endOffset?.() ?? 0) : 0);
  const end = Math.max(...ends.values());
  const complete = inTurns(
    [...ends.keys()].filter((id) => ends.get(id) === end),
    logs[0]?.partition ?? 0,
  );
  const others = owned.map(({ brokerId }) => brokerId).filter((id) => !complete.includes(id));
  return { leaderEpoch, replicas: [...complete, ...others.toSorted((one, other) => one - other)], complete };
}

/** The first leads: with each partition another one, as where they were made. */
function inTurns(brokers: readonly number[], partition: number): number[] {
  const sorted = brokers.toSorted((one, other) => one - other);
  const first = sorted.length === 0 ? 0 : partition % sorted.length;
  return [...sorted.slice(first), ...sorted.slice(0, first)];
}
