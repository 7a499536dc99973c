import type { Clock, Timer } from '@millrace/ports';
import { LeaderAndIsr, StopReplica, UpdateMetadata } from '@millrace/protocol';
import type {
  BrokerChannel,
  CommandOutcome,
  LeaderAndIsrCommand,
  StopReplicaCommand,
  UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';
import type { InterBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { PeerLane } from '../cluster/peers.ts';
import type { Logger } from '../shared/logger.ts';
import {
  leaderAndIsrOutcome,
  leaderAndIsrRequest,
  stopReplicaOutcome,
  stopReplicaRequest,
  updateMetadataRequest,
} from './wire.ts';

/** How long until a command is sent again that was not answered (`ControllerChannelManager`). */
const RESEND_PAUSE_MS = 100;

/**
 * How many commands may wait for a broker that does not answer but is still registered. A broker that does not take them is then
 * told everything anew by {@link RemoteChannelOptions.onOverflow}.
 */
export const QUEUED_COMMANDS_MAX = 1000;

/** What a channel to another broker works with. */
export interface RemoteChannelOptions {
  readonly brokerId: number;
  readonly lane: PeerLane;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly versions: InterBrokerVersions;
  /** The listener that brokers use among themselves. */
  readonly listener: string;
  /** `controller.socket.timeout.ms` */
  readonly timeoutMs: number;
  /** Commands were dropped, because too many waited: the broker must be told the whole state again. */
  readonly onOverflow: () => void;
}

interface QueuedCommand {
  readonly send: () => Promise<CommandOutcome>;
  readonly resolve: (outcome: CommandOutcome | undefined) => void;
}

/**
 * A controller's way to another broker, for one registration of it: one queue, one request in flight, sent again until it is answered.
 * So the broker gets commands in the order in which they were given, some of them twice.
 */
export class RemoteChannel implements BrokerChannel {
  readonly #options: RemoteChannelOptions;
  readonly #queue: QueuedCommand[] = [];
  #isSending = false;
  #isClosed = false;
  /** The broker has not answered since; told once, for it may take as long as a session. */
  #isSilent = false;
  #pause: Timer | undefined;
  #endPause: () => void = () => {};

  constructor(options: RemoteChannelOptions) {
    this.#options = options;
  }

  /** How many commands wait or are under way. */
  get length(): number {
    return this.#queue.length;
  }

  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome | undefined> {
    const { lane, versions, listener, timeoutMs } = this.#options;
    const request = leaderAndIsrRequest(command, listener, versions.leaderAndIsr);
    return this.#put(async () => {
      const response = await lane.send(LeaderAndIsr, versions.leaderAndIsr, request, { timeoutMs });
      return leaderAndIsrOutcome(response, command);
    });
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome | undefined> {
    const { lane, versions, timeoutMs } = this.#options;
    const request = updateMetadataRequest(command);
    return this.#put(async () => {
      const { errorCode } = await lane.send(UpdateMetadata, versions.updateMetadata, request, { timeoutMs });
      return { errorCode, partitions: [] };
    });
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome | undefined> {
    const { lane, versions, timeoutMs } = this.#options;
    const request = stopReplicaRequest(command);
    return this.#put(async () =>
      stopReplicaOutcome(await lane.send(StopReplica, versions.stopReplica, request, { timeoutMs })),
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#endPause();
    this.#options.lane.close();
    this.#dropAll();
  }

  #put(send: () => Promise<CommandOutcome>): Promise<CommandOutcome | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    if (this.#queue.length >= QUEUED_COMMANDS_MAX) {
      const { brokerId, logger, onOverflow } = this.#options;
      logger.error({ brokerId, dropped: this.#queue.length }, 'A broker takes no commands; it will be told all anew');
      this.#dropAll();
      onOverflow();
    }
    return new Promise((resolve) => {
      this.#queue.push({ send, resolve });
      if (!this.#isSending) void this.#work();
    });
  }

  #dropAll(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve(undefined);
  }

  async #work(): Promise<void> {
    this.#isSending = true;
    for (let next = this.#queue[0]; next !== undefined && !this.#isClosed; next = this.#queue[0]) {
      const outcome = await this.#attempt(next);
      // What was dropped meanwhile is nobody's any more.
      if (outcome === undefined || this.#queue[0] !== next) continue;
      this.#queue.shift();
      next.resolve(outcome);
    }
    this.#isSending = false;
  }

  /** Undefined when it was not answered, after a pause. */
  async #attempt({ send }: QueuedCommand): Promise<CommandOutcome | undefined> {
    const { brokerId, clock, logger } = this.#options;
    try {
      const outcome = await send();
      if (this.#isSilent) logger.info({ brokerId }, 'A broker answers commands again');
      this.#isSilent = false;
      return outcome;
    } catch (err) {
      if (this.#isClosed) return undefined;
      const message = 'A broker does not answer a command, which is sent again until it does';
      logger[this.#isSilent ? 'debug' : 'warn']({ err, brokerId, everyMs: RESEND_PAUSE_MS }, message);
      this.#isSilent = true;
      await new Promise<void>((resolve) => {
        this.#endPause = resolve;
        this.#pause = clock.schedule(RESEND_PAUSE_MS, resolve);
      });
      return undefined;
    }
  }
}
