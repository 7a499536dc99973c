import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Logger } from '../shared/logger.ts';
import { tellAll } from '../shared/told.ts';
import { EPOCH_LEAP } from './adopt-logs.ts';
import { type FoundLog, plausibleEpoch } from './found-logs.ts';
import {
  decodePartitionState,
  decodeTopic,
  encodeIsrChange,
  encodePartitionState,
  MalformedNodeError,
  paths,
} from './znodes.ts';

/** Partitions that are looked at, and written, together. */
const PARTITIONS_AT_ONCE_MAX = 100;

/** How often others may change the same states at the same time. */
const ATTEMPTS_MAX = 10;

/** A state that is behind a log, as it is to be. */
interface Raised {
  readonly log: FoundLog;
  readonly write: Operation;
}

/**
 * Keeps the leader epochs of partitions in the store above what this broker's logs know: an ensemble that was built anew, or put back from a
 * copy, is behind. A leader in an epoch that has been before would write records that no follower could tell from those of the first one. The
 * controller hears of it as of what leaders before 2.7 have changed, and has leaders go on above that. Others' logs may know more, so epochs
 * leap.
 */
export class OwnEpochs {
  readonly #store: MetadataStore;
  readonly #logs: () => Iterable<FoundLog>;
  readonly #logger: Logger;
  #isRaising = false;

  constructor(store: MetadataStore, logs: () => Iterable<FoundLog>, logger: Logger) {
    this.#store = store;
    this.#logs = logs;
    this.#logger = logger;
  }

  /**
   * Raises what is behind. To be awaited before the broker registers, and is told who leads.
   * @throws MetadataError when the store cannot be used
   */
  async raise(): Promise<void> {
    const logs = [...this.#logs()].filter(({ leaderEpoch }) => plausibleEpoch(leaderEpoch) > 0);
    const raised: FoundLog[] = [];
    for (let from = 0; from < logs.length; from += PARTITIONS_AT_ONCE_MAX) {
      raised.push(...(await raiseSome(this.#store, logs.slice(from, from + PARTITIONS_AT_ONCE_MAX))));
    }
    tellAll(raised, {
      tell: (fields, message) => this.#logger.warn(fields, message),
      fieldsOf: ({ topic, partition, leaderEpoch }) => ({ partition: `${topic}-${partition}`, leaderEpoch }),
      one: 'The metadata store was behind the leader epoch that a log knows, as if it had been put back from a copy; it was raised',
      nameOf: ({ topic, partition }) => `${topic}-${partition}`,
      many: 'The metadata store was behind the leader epochs that many logs know, as if it had been put back from a copy; they were raised',
    });
  }

  /** Raises what is behind, because a controller has spoken of an epoch that is. */
  raiseSoon(): void {
    if (this.#isRaising) return;
    this.#isRaising = true;
    this.raise()
      .catch((err: unknown) => {
        this.#logger.error({ err }, 'Leader epochs that are behind those of the logs could not be raised');
      })
      .finally(() => {
        this.#isRaising = false;
      });
  }
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
