import type { Clock, Timer } from '@millrace/ports';
import { type AlterPartitionRequestInput, type AlterPartitionResponse, ErrorCode } from '@millrace/protocol';
import type { Logger } from '../shared/logger.ts';
import { tellAll } from '../shared/told.ts';

/** How long until the controller is asked again that could not be reached or was none (`AlterPartitionManager`). */
const RETRY_PAUSE_MS = 50;

/** From this version on topics are named by id. */
const FIRST_VERSION_WITH_IDS = 2;
/** From this version on in-sync replicas come with their epochs. */
const FIRST_VERSION_WITH_EPOCHS = 3;

/** What a leader wants the in-sync replicas of its partition to be. */
export interface IsrChange {
  readonly topic: string;
  /** The replica's own: it is told to lead before the rest of the cluster is told of the topic. */
  readonly topicId: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  /** The version of the state that the change is made from. */
  readonly partitionEpoch: number;
  readonly isr: readonly number[];
  readonly leaderRecoveryState: number;
}

/** What the controller has decided on a change; the state is the one that counts now, where `errorCode` is 0. */
export interface IsrOutcome {
  readonly errorCode: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly isr: readonly number[];
  readonly leaderRecoveryState: number;
}

/** The way of leaders to the controller. */
export interface IsrChanges {
  /**
   * Proposes a change; resolves when the controller has decided, however long that takes, and with undefined when this broker stops.
   * A later proposal for the same partition replaces one that has not been sent, which then resolves with undefined.
   */
  propose(change: IsrChange): Promise<IsrOutcome | undefined>;
  /** Sends a change no more, whose leader leads no longer; its proposal resolves with undefined where that is still open. */
  withdraw(change: IsrChange): void;
}

/** What sends proposals. */
export interface IsrChangeSenderOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asks the active controller, in whatever version it speaks; fails when there is none or it does not answer. */
  readonly ask: (body: (version: number) => AlterPartitionRequestInput) => Promise<{
    readonly version: number;
    readonly response: AlterPartitionResponse;
  }>;
}

interface Proposal {
  readonly change: IsrChange;
  readonly resolve: (outcome: IsrOutcome | undefined) => void;
}

interface Refused {
  readonly topic: string;
  readonly partition: number;
  readonly isr: readonly number[];
  readonly errorCode: number;
}

/**
 * Sends what leaders propose: one request in flight, with everything that has come since the one before. One proposal a partition, so
 * there are never more than partitions that are led here.
 */
export class IsrChangeSender implements IsrChanges {
  readonly #options: IsrChangeSenderOptions;
  readonly #proposals = new Map<string, Proposal>();
  #isSending = false;
  #isClosed = false;
  #pause: Timer | undefined;
  /** The error that answered the last request as a whole. */
  #refusedWith: number = ErrorCode.NONE;

  constructor(options: IsrChangeSenderOptions) {
    this.#options = options;
  }

  propose(change: IsrChange): Promise<IsrOutcome | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    const key = keyOf(change.topic, change.partition);
    this.#proposals.get(key)?.resolve(undefined);
    return new Promise((resolve) => {
      this.#proposals.set(key, { change, resolve });
      if (!this.#isSending) void this.#send();
    });
  }

  withdraw(change: IsrChange): void {
    const key = keyOf(change.topic, change.partition);
    const proposal = this.#proposals.get(key);
    if (proposal?.change !== change) return;
    this.#proposals.delete(key);
    proposal.resolve(undefined);
  }

  close(): void {
    this.#isClosed = true;
    this.#pause?.cancel();
    for (const { resolve } of this.#proposals.values()) resolve(undefined);
    this.#proposals.clear();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What is proposed in the same breath goes along.
    await Promise.resolve();
    while (this.#proposals.size > 0 && !this.#isClosed) {
      const proposals = [...this.#proposals.values()];
      if (!(await this.#ask(proposals))) await this.#rest();
    }
    this.#isSending = false;
  }

  /** Whether the controller has decided on all of them. */
  async #ask(proposals: readonly Proposal[]): Promise<boolean> {
    const { ask, logger } = this.#options;
    try {
      const { version, response } = await ask((v) => this.#request(proposals, v));
      if (response.errorCode !== ErrorCode.NONE) {
        this.#noteRefusal(response.errorCode);
        return false;
      }
      this.#refusedWith = ErrorCode.NONE;
      const refused: Refused[] = [];
      const decided = proposals.map((proposal) =>
        this.#decide(proposal, this.#outcomeOf(proposal.change, response, version), refused),
      );
      this.#tellRefused(refused);
      return !decided.includes(false);
    } catch (err) {
      if (!this.#isClosed) logger.debug({ err }, 'No controller could be asked for a change of in-sync replicas');
      return false;
    }
  }

  /** Said once for as long as it lasts: it is asked again in moments. */
  #noteRefusal(errorCode: number): void {
    const { logger } = this.#options;
    const level = this.#refusedWith === errorCode ? 'debug' : 'warn';
    this.#refusedWith = errorCode;
    logger[level](
      { errorCode, everyMs: RETRY_PAUSE_MS },
      'The controller takes no changes of in-sync replicas now, and is asked again until it does',
    );
  }

  /** False for what was left out of the answer, or met an error that passes: it is sent again. */
  #decide(proposal: Proposal, outcome: IsrOutcome | undefined, refused: Refused[]): boolean {
    if (outcome === undefined || MUST_RETRY.has(outcome.errorCode)) return false;
    const key = keyOf(proposal.change.topic, proposal.change.partition);
    // What was replaced meanwhile has been told so.
    if (this.#proposals.get(key) !== proposal) return true;
    this.#proposals.delete(key);
    const { topic, partition, isr } = proposal.change;
    const { errorCode } = outcome;
    if (errorCode !== ErrorCode.NONE) refused.push({ topic, partition, isr, errorCode });
    proposal.resolve(outcome);
    return true;
  }

  #tellRefused(refused: readonly Refused[]): void {
    tellAll(refused, {
      tell: (fields, message) => this.#options.logger.info(fields, message),
      fieldsOf: (each) => each,
      one: 'The controller refused a change of in-sync replicas',
      common: { errorCodes: [...new Set(refused.map(({ errorCode }) => errorCode))] },
      nameOf: ({ topic, partition }) => `${topic}-${partition}`,
      many: 'The controller refused changes of in-sync replicas of many partitions',
    });
  }

  #request(proposals: readonly Proposal[], version: number): AlterPartitionRequestInput {
    const { brokerId, brokerEpoch } = this.#options;
    const topics = Map.groupBy(proposals, ({ change }) => change.topicId);
    return {
      brokerId,
      brokerEpoch: brokerEpoch(),
      topics: Array.from(topics, ([topicId, all]) => ({
        ...(version >= FIRST_VERSION_WITH_IDS ? { topicId } : { topicName: all[0]!.change.topic }),
        partitions: all.map(({ change }) => ({
          partitionIndex: change.partition,
          leaderEpoch: change.leaderEpoch,
          partitionEpoch: change.partitionEpoch,
          ...(version >= 1 ? { leaderRecoveryState: change.leaderRecoveryState } : {}),
          ...(version >= FIRST_VERSION_WITH_EPOCHS
            ? { newIsrWithEpochs: change.isr.map((id) => ({ brokerId: id, brokerEpoch: -1 })) }
            : { newIsr: change.isr }),
        })),
      })),
    };
  }

  #outcomeOf(change: IsrChange, response: AlterPartitionResponse, version: number): IsrOutcome | undefined {
    const topic = response.topics.find((each) =>
      version >= FIRST_VERSION_WITH_IDS ? each.topicId === change.topicId : each.topicName === change.topic,
    );
    return topic?.partitions.find(({ partitionIndex }) => partitionIndex === change.partition);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#pause = this.#options.clock.schedule(RETRY_PAUSE_MS, resolve);
    });
  }
}

/** Per partition, what speaks of the controller and not of the partition. */
const MUST_RETRY: ReadonlySet<number> = new Set([
  ErrorCode.NOT_CONTROLLER,
  ErrorCode.UNKNOWN_SERVER_ERROR,
  ErrorCode.REQUEST_TIMED_OUT,
]);

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}
