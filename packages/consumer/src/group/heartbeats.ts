import type { Logger } from '@millrace/client';
import type { Clock, Timer } from '@millrace/ports';
import { ErrorCode, Heartbeat } from '@millrace/protocol';
import type { Coordinator } from '../cluster-port.ts';
import type { MemberIdentity } from '../member-identity.ts';
import { coordinatorMoved } from '../offsets/offset-queries.ts';
import type { ConsumerSettings } from '../options.ts';

/** What heartbeats work with. */
export interface HeartbeatContext {
  readonly coordinator: Coordinator;
  readonly groupId: string;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An error that says something of the membership itself. */
  refused(errorCode: number, identity: MemberIdentity): void;
}

/** A heartbeat that is not answered within this part of the session timeout is given up, so that another can be tried in time. */
const TIMEOUT_PART = 3;

/**
 * Tells the coordinator by a timer of its own, over a connection on which nothing waits, that the member is alive. What handlers
 * do, and how long a rebalance takes, has no influence.
 */
export class Heartbeats {
  readonly #context: HeartbeatContext;
  #identity: MemberIdentity | undefined;
  #timer: Timer | undefined;

  constructor(context: HeartbeatContext) {
    this.#context = context;
  }

  get running(): boolean {
    return this.#identity !== undefined;
  }

  start(identity: MemberIdentity): void {
    this.stop();
    this.#identity = identity;
    this.#next(identity);
  }

  stop(): void {
    this.#identity = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #next(identity: MemberIdentity): void {
    if (this.#identity !== identity) return;
    const { clock, settings } = this.#context;
    this.#timer = clock.schedule(settings.heartbeatIntervalMs, () => void this.#beat(identity));
  }

  async #beat(identity: MemberIdentity): Promise<void> {
    const { coordinator, groupId, settings, logger } = this.#context;
    const timeoutMs = Math.min(
      settings.requestTimeoutMs,
      Math.max(settings.heartbeatIntervalMs, settings.sessionTimeoutMs / TIMEOUT_PART),
    );
    const request = { groupId, ...identity, groupInstanceId: settings.groupInstanceId };
    try {
      const { errorCode } = await coordinator.send(Heartbeat, request, 'coordinator', { timeoutMs });
      // An answer for a generation that is over says nothing of the one that is now.
      if (this.#identity === identity && errorCode !== ErrorCode.NONE) {
        if (coordinatorMoved(errorCode)) coordinator.forget();
        else if (errorCode !== ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) this.#context.refused(errorCode, identity);
      }
    } catch (error) {
      logger.debug({ groupId, err: error }, 'A heartbeat was not answered; the next one follows');
      coordinator.forget();
    }
    this.#next(identity);
  }
}
