import type { Clock, Timer } from '@millrace/ports';
import type {
  BrokerChannel,
  CommandOutcome,
  LeaderAndIsrCommand,
  StopReplicaCommand,
  UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';
import type { Logger } from '../shared/logger.ts';

/** How long until a command is tried again that failed; as long as one that another broker did not answer waits. */
const RETRY_PAUSE_MS = 100;

/** How often a command is tried; one that fails for good must not keep what comes behind it from being carried out. */
export const ATTEMPTS_MAX = 20;

/** What a channel to the controller's own broker works with. */
export interface LocalChannelOptions {
  /** Where commands are carried out. */
  readonly inbox: Omit<BrokerChannel, 'close'>;
  readonly brokerId: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A controller's way to its own broker. Commands are carried out in the order in which they are given, and one that fails by a mistake is
 * tried again, as it would be on the way to another broker: what a broker was not told would be missing for as long as it lives.
 */
export class LocalChannel implements BrokerChannel {
  readonly #options: LocalChannelOptions;
  /** The command that is under way. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #pause: Timer | undefined;
  #endPause: () => void = () => {};

  constructor(options: LocalChannelOptions) {
    this.#options = options;
  }

  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome | undefined> {
    return this.#inTurn(() => this.#options.inbox.leaderAndIsr(command));
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome | undefined> {
    return this.#inTurn(() => this.#options.inbox.updateMetadata(command));
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome | undefined> {
    return this.#inTurn(() => this.#options.inbox.stopReplica(command));
  }

  close(): void {
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#endPause();
  }

  #inTurn(carryOut: () => Promise<CommandOutcome | undefined>): Promise<CommandOutcome | undefined> {
    const outcome = this.#last.then(() => this.#untilDone(carryOut));
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  /** Undefined when the channel was closed before the command was carried out. */
  async #untilDone(carryOut: () => Promise<CommandOutcome | undefined>): Promise<CommandOutcome | undefined> {
    for (let attempt = 1; !this.#isClosed; attempt += 1) {
      try {
        return await carryOut();
      } catch (err) {
        if (attempt === ATTEMPTS_MAX) throw err;
        if (attempt === 1) this.#tellFailed(err);
        await this.#rest();
      }
    }
    return undefined;
  }

  #tellFailed(err: unknown): void {
    const { logger, brokerId } = this.#options;
    const message =
      'A command failed at the controller’s own broker, and is tried again: this is a defect of the broker';
    logger.error({ err, brokerId, everyMs: RETRY_PAUSE_MS, attemptsMax: ATTEMPTS_MAX }, message);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#pause = this.#options.clock.schedule(RETRY_PAUSE_MS, resolve);
    });
  }
}
