import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';
import { tellAll } from '../shared/told.ts';
import { EPOCH_LEAP, leapProducerIds } from './adopt-logs.ts';
import { type FoundLog, plausibleEpoch } from './found-logs.ts';
import {
  decodePartitionState,
  decodeTopic,
  encodeIsrChange,
  encodePartitionState,
  MalformedNodeError,
  paths,
} from './znodes.ts';

/** Partitions that are looked at together: by their hundreds, ten thousand took a hundred round trips. */
const LOOKED_AT_MAX = 1000;

/** Partitions that are written together. */
const WRITTEN_MAX = 100;

/** How long after a failure what goes on beside the registration is tried again. */
const RETRY_MS = 1000;

/** How often others may change the same states at the same time. */
const ATTEMPTS_MAX = 10;

/** A state that is behind a log, as it is to be. */
interface Raised {
  readonly log: FoundLog;
  readonly write: Operation;
}

/** What leader epochs are kept with. */
export interface OwnEpochsOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly brokerId: number;
  readonly logs: () => Iterable<FoundLog>;
  /**
   * Whether a controller has told this process of the epoch that a log knows, or of a later one: then the replica takes over no leader in an
   * epoch up to that, whatever the store says.
   */
  readonly isTold: (log: FoundLog) => boolean;
}

/**
 * Keeps the leader epochs of partitions in the store above what this broker's logs know: an ensemble that was built anew, or put back from a
 * copy, is behind. A leader in an epoch that has been before would write records that no follower could tell from those of the first one. The
 * controller hears of it as of what leaders before 2.7 have changed, and has leaders go on above that. Others' logs may know more, so epochs
 * leap. So do producer ids, which would be given out twice.
 */
export class OwnEpochs {
  readonly #options: OwnEpochsOptions;
  #isRaising = false;
  #retry: Timer | undefined;
  /** Counts registrations: each looks at everything, so what was under way for the one before need not be tried again. */
  #registrations = 0;
  #isStopped = false;

  constructor(options: OwnEpochsOptions) {
    this.#options = options;
  }

  /**
   * Raises what is behind. To be awaited before the broker registers, and is told who leads. What it has been told of in this process does not
   * keep it from registering anew after its session has ended: it leads in none of these epochs, and they are raised beside.
   * @throws MetadataError when the store cannot be used
   */
  async raise(): Promise<void> {
    this.#registrations += 1;
    const { told = [], untold = [] } = Object.groupBy(this.#plausible(), (log) =>
      this.#options.isTold(log) ? 'told' : 'untold',
    );
    this.#retry?.cancel();
    if (told.length > 0) this.#raiseBeside(told, this.#registrations);
    await this.#raise(untold);
  }

  /** Raises what is behind, because a controller has spoken of an epoch that is. */
  raiseSoon(): void {
    if (this.#isRaising) return;
    this.#isRaising = true;
    this.#raise(this.#plausible())
      .catch((err: unknown) => this.#tellFailure(err))
      .finally(() => {
        this.#isRaising = false;
      });
  }

  /** Tries nothing again. */
  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
  }

  #plausible(): FoundLog[] {
    return [...this.#options.logs()].filter(({ leaderEpoch }) => plausibleEpoch(leaderEpoch) > 0);
  }

  #raiseBeside(logs: readonly FoundLog[], registration: number): void {
    this.#raise(logs).catch((err: unknown) => {
      if (this.#isStopped || registration !== this.#registrations) return;
      this.#tellFailure(err);
      this.#retry = this.#options.clock.schedule(RETRY_MS, () => this.#raiseBeside(logs, registration));
    });
  }

  #tellFailure(err: unknown): void {
    this.#options.logger.error({ err }, 'Leader epochs that are behind those of the logs could not be raised');
  }

  async #raise(logs: readonly FoundLog[]): Promise<void> {
    const { store, logger } = this.#options;
    const raised: FoundLog[] = [];
    for (const some of inPieces(logs, LOOKED_AT_MAX)) {
      const looked = await Promise.all(some.map((log) => raisedAbove(store, log)));
      const behind = looked.flatMap((each) => (each === undefined ? [] : [each.log]));
      if (behind.length > 0) await this.#raiseProducerIds();
      for (const few of inPieces(behind, WRITTEN_MAX)) raised.push(...(await raiseSome(store, few)));
    }
    tellAll(raised, {
      tell: (fields, message) => logger.warn(fields, message),
      fieldsOf: ({ topic, partition, leaderEpoch }) => ({ partition: `${topic}-${partition}`, leaderEpoch }),
      one: 'The metadata store was behind the leader epoch that a log knows, as if it had been put back from a copy; it was raised',
      nameOf: ({ topic, partition }) => `${topic}-${partition}`,
      many: 'The metadata store was behind the leader epochs that many logs know, as if it had been put back from a copy; they were raised',
    });
  }

  /** Before the epochs: whoever finds these raised takes the store for one that is not behind. */
  async #raiseProducerIds(): Promise<void> {
    const { store, clock, logger, brokerId } = this.#options;
    try {
      await leapProducerIds(store, { brokerId, nowMs: clock.now() });
    } catch (err) {
      // None can be given out then.
      if (!isMetadataError(err, 'NO_NODE') && !(err instanceof MalformedNodeError)) throw err;
      logger.error(
        { err },
        'Producer ids cannot be raised above those that were given out: nobody can read how far these are',
      );
    }
  }
}

function* inPieces<T>(all: readonly T[], sizeMax: number): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += sizeMax) yield all.slice(from, from + sizeMax);
}

async function raiseSome(store: MetadataStore, logs: readonly FoundLog[]): Promise<readonly FoundLog[]> {
  for (let attempt = 1; ; attempt += 1) {
    const behind = (await Promise.all(logs.map((log) => raisedAbove(store, log)))).filter((each) => each !== undefined);
    if (behind.length === 0) return [];
    const partitions = behind.map(({ log: { topic, partition } }) => ({ topic, partition }));
    const note: Operation = {
      type: 'create',
      path: paths.isrChangePrefix,
      data: encodeIsrChange(partitions),
      options: { sequential: true },
    };
    try {
      await store.multi([...behind.map(({ write }) => write), note]);
      return behind.map(({ log }) => log);
    } catch (error) {
      // Somebody else has raised some of them, or this was done and its answer lost: the next look tells.
      if (!isMetadataError(error, 'BAD_VERSION', 'NO_NODE', 'CONNECTION_LOSS') || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Undefined where the state is not behind the log, or it is another topic's of its name, or nobody can read it. */
async function raisedAbove(store: MetadataStore, log: FoundLog): Promise<Raised | undefined> {
  const { topic, partition, topicId } = log;
  const path = paths.partitionState(topic, partition);
  try {
    const { data, stat } = await store.get(path);
    const state = decodePartitionState(path, data);
    if (log.leaderEpoch <= state.leaderEpoch) return undefined;
    const known = decodeTopic(topic, (await store.get(paths.topic(topic))).data).topicId;
    if (known !== undefined && topicId !== undefined && known !== topicId) return undefined;
    const raised = encodePartitionState({ ...state, leaderEpoch: log.leaderEpoch + EPOCH_LEAP });
    return { log, write: { type: 'set', path, data: raised, expected: { exactly: stat.version } } };
  } catch (error) {
    if (isMetadataError(error, 'NO_NODE') || error instanceof MalformedNodeError) return undefined;
    throw error;
  }
}
