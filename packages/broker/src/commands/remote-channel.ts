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
import { CommandQueue, type Order } from './command-queue.ts';
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

/**
 * A controller's way to another broker, for one registration of it: one queue, one request in flight, sent again until it is answered.
 * So the broker gets commands in the order in which they were given, some of them twice; those that wait may be joined, see {@link CommandQueue}.
 */
export class RemoteChannel implements BrokerChannel {
  readonly #options: RemoteChannelOptions;
  readonly #queue = new CommandQueue();
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
    return this.#put({ api: 'LeaderAndIsr', command });
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome | undefined> {
    return this.#put({ api: 'UpdateMetadata', command });
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome | undefined> {
    return this.#put({ api: 'StopReplica', command });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#endPause();
    this.#options.lane.close();
    this.#dropAll();
  }

  #put(order: Order): Promise<CommandOutcome | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    if (this.#queue.length >= QUEUED_COMMANDS_MAX) {
      const { brokerId, logger, onOverflow } = this.#options;
      logger.error({ brokerId, dropped: this.#queue.length }, 'A broker takes no commands; it will be told all anew');
      this.#dropAll();
      onOverflow();
    }
    return new Promise((resolve) => {
      this.#queue.put(order, resolve);
      if (!this.#isSending) void this.#work();
    });
  }

  #dropAll(): void {
    for (const { heard } of this.#queue.drop()) for (const resolve of heard) resolve(undefined);
  }

  async #work(): Promise<void> {
    this.#isSending = true;
    for (let next = this.#queue.first(); next !== undefined && !this.#isClosed; next = this.#queue.first()) {
      const outcome = await this.#attempt(next.order);
      // What was dropped meanwhile is nobody's any more.
      if (outcome === undefined || !this.#queue.done(next)) continue;
      for (const resolve of next.heard) resolve(outcome);
    }
    this.#isSending = false;
  }

  /** Undefined when it was not answered, after a pause. */
  async #attempt(order: Order): Promise<CommandOutcome | undefined> {
    const { brokerId, clock, logger } = this.#options;
    try {
      const outcome = await this.#send(order);
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

  async #send({ api, command }: Order): Promise<CommandOutcome> {
    const { lane, versions, listener, timeoutMs } = this.#options;
    if (api === 'LeaderAndIsr') {
      const request = leaderAndIsrRequest(command, listener, versions.leaderAndIsr);
      return leaderAndIsrOutcome(await lane.send(LeaderAndIsr, versions.leaderAndIsr, request, { timeoutMs }), command);
    }
    if (api === 'StopReplica') {
      const request = stopReplicaRequest(command);
      return stopReplicaOutcome(await lane.send(StopReplica, versions.stopReplica, request, { timeoutMs }));
    }
    const request = updateMetadataRequest(command);
    const { errorCode } = await lane.send(UpdateMetadata, versions.updateMetadata, request, { timeoutMs });
    return { errorCode, partitions: [] };
  }
}
