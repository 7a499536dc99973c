import type { Logger } from '@millrace/client';
import type { Clock } from '@millrace/ports';
import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { Cluster } from './cluster-port.ts';

/** What was asked for may be about to be made: so long it may be missing before that is told, in milliseconds ... */
const GRACE_MS = 1_000;
/** ... and after this time it is told again. */
const TOLD_EVERY_MS = 60_000;

/** What may be missing: a topic, a partition of one that there is, or the leader of one. */
export interface WantedPlace {
  readonly topic: string;
  readonly partition?: number | undefined;
}

/** Why a place cannot be read: it is not there, or nobody leads it, so that nobody can be asked for its records. */
type Lack = 'missing' | 'offline';

interface Absence {
  readonly place: WantedPlace;
  lack: Lack;
  readonly sinceMs: number;
  askedMs: number;
  toldMs: number;
}

/** What the absences are told by. */
export interface MissingTopicsContext {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the program gave the logger; one that did not is told once, by a warning of Node's. */
  readonly hasLogger: boolean;
}

/** Tells of topics and partitions that are to be read and do not exist, or have no leader: a program would wait for them in silence. */
export class MissingTopics {
  readonly #context: MissingTopicsContext;
  /** No more than what is subscribed and assigned, or was a moment ago. */
  readonly #absences = new Map<string, Absence>();
  /** How many times a topic or partition that is read was missing, or without a leader, for longer than a moment. */
  count = 0;

  constructor(context: MissingTopicsContext) {
    this.#context = context;
  }

  /** The cluster has just answered for these: those that it does not know do not exist. */
  answered(places: Iterable<WantedPlace>): void {
    for (const place of places) {
      const key = keyOf(place);
      const lack = this.#lackOf(place);
      if (lack !== undefined) this.#missing(key, place, lack);
      else this.#found(key);
    }
  }

  #lackOf({ topic, partition }: WantedPlace): Lack | undefined {
    const { cluster } = this.#context;
    if (partition === undefined) return cluster.topic(topic) === undefined ? 'missing' : undefined;
    const known = cluster.partition(topic, partition);
    if (known === undefined) return 'missing';
    return known.leaderId < 0 ? 'offline' : undefined;
  }

  #found(key: string): void {
    const absence = this.#absences.get(key);
    if (absence === undefined) return;
    this.#absences.delete(key);
    if (absence.toldMs !== Number.NEGATIVE_INFINITY) {
      const news = absence.lack === 'missing' ? 'is there now' : 'has a leader again';
      this.#context.logger.info({ ...absence.place }, `${nameOf(absence.place)} ${news}`);
    }
  }

  #missing(key: string, place: WantedPlace, lack: Lack): void {
    const nowMs = this.#context.clock.monotonic();
    let absence = this.#absences.get(key);
    if (absence === undefined) {
      this.#forgetOthers(nowMs);
      absence = { place, lack, sinceMs: nowMs, askedMs: nowMs, toldMs: Number.NEGATIVE_INFINITY };
      this.#absences.set(key, absence);
    }
    absence.lack = lack;
    absence.askedMs = nowMs;
    if (nowMs - absence.sinceMs < GRACE_MS || nowMs - absence.toldMs < TOLD_EVERY_MS) return;
    this.#tell(absence, nowMs);
  }

  /** What nobody asks for any more is no longer to be read. */
  #forgetOthers(nowMs: number): void {
    for (const [key, { askedMs }] of this.#absences) {
      if (nowMs - askedMs >= TOLD_EVERY_MS) this.#absences.delete(key);
    }
  }

  #tell(absence: Absence, nowMs: number): void {
    const { logger, hasLogger } = this.#context;
    const isFirst = absence.toldMs === Number.NEGATIVE_INFINITY;
    absence.toldMs = nowMs;
    if (isFirst) this.count += 1;
    const until = absence.lack === 'missing' ? 'it is there' : 'it has one; other partitions are read meanwhile';
    const message = `Cannot read ${this.#described(absence)}. It is asked for again until ${until}`;
    logger.warn({ ...absence.place, missingMs: Math.round(nowMs - absence.sinceMs) }, message);
    if (hasLogger || !isFirst) return;
    process.emitWarning(`${message}; the option logger (console, pino) has the rest told`, {
      type: 'MillraceWarning',
      code: absence.lack === 'missing' ? 'MILLRACE_TOPIC_MISSING' : 'MILLRACE_PARTITION_OFFLINE',
    });
  }

  #described({ place, lack }: Absence): string {
    if (lack === 'offline') return `${nameOf(place)}: ${this.#whyOffline(place)}`;
    const partitions = this.#context.cluster.topic(place.topic)?.partitions.length;
    if (place.partition === undefined) {
      return `${nameOf(place)}: it does not exist. Make it (admin.createTopics, or millrace topics create), or mend its name`;
    }
    return `${nameOf(place)}: the topic has ${partitions === 1 ? 'partition 0 alone' : `partitions 0 to ${(partitions ?? 1) - 1}`}`;
  }

  #whyOffline({ topic, partition }: WantedPlace): string {
    const { errorCode = ErrorCode.NONE, replicas = [] } = this.#context.cluster.partition(topic, partition ?? -1) ?? {};
    const code = errorCode === ErrorCode.NONE ? ErrorCode.LEADER_NOT_AVAILABLE : errorCode;
    const whose = replicas.length === 0 ? '' : ` of its brokers (${replicas.join(', ')})`;
    return `it has no leader (${errorInfo(code).name}). Start those${whose} that are down; where they run, their logs say why they cannot open it`;
  }
}

function keyOf({ topic, partition }: WantedPlace): string {
  return partition === undefined ? topic : `${topic} ${partition}`;
}

function nameOf({ topic, partition }: WantedPlace): string {
  return partition === undefined ? `topic "${topic}"` : `partition ${partition} of topic "${topic}"`;
}
