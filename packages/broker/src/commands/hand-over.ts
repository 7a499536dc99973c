import type { Clock } from '@millrace/ports';
import {
  ControlledShutdown,
  type ControlledShutdownRequest,
  type ControlledShutdownResponseInput,
  ErrorCode,
} from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { ProduceHold } from '../replicas/produce-hold.ts';
import type { Logger } from '../shared/logger.ts';
import type { ControllerLink } from './controller-link.ts';

/** A new controller, or a replica that is about to be in sync, takes moments; who stops all brokers at once shall not wait in vain. */
const FIRST_PAUSE_MS = 100;
const PAUSE_FACTOR = 20;

/** How a broker hands its partitions over. */
export interface HandOverOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => number;
  readonly cluster: ClusterImage;
  readonly link: ControllerLink;
  /** This broker's own controller. */
  readonly own: (request: ControlledShutdownRequest) => Promise<ControlledShutdownResponseInput>;
  /** What records wait for while the controller is asked for the first time. */
  readonly hold: Pick<ProduceHold, 'begin' | 'end'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `controlled.shutdown.max.retries`, which counts the first attempt, too: with 0, nobody is asked. */
  readonly attemptsMax: number;
  /** `controlled.shutdown.retry.backoff.ms`; the longest of the pauses, of which the first are shorter. */
  readonly backoffMs: number;
}

/**
 * Has the controller move what this broker leads to others, while everything is still served, so that nobody notices when it stops
 * (`KafkaServer.controlledShutdown`). Resolves when nothing is left, or after so many attempts; whether it worked.
 */
export async function handOver(options: HandOverOptions): Promise<boolean> {
  const { brokerId, cluster, hold, clock, logger, attemptsMax, backoffMs } = options;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    if (![...cluster.brokers.keys()].some((id) => id !== brokerId)) return true;
    if (attempt > 0) await pause(clock, Math.min(backoffMs, FIRST_PAUSE_MS * PAUSE_FACTOR ** (attempt - 1)));
    try {
      // What is left after the first time stays here for now.
      const { errorCode, remainingPartitions } = await ask(options, attempt === 0);
      if (errorCode === ErrorCode.NONE && remainingPartitions.length === 0) return true;
      logger.warn({ errorCode, remaining: remainingPartitions.length, attempt }, 'Not everything was handed over');
    } catch (err) {
      logger.warn({ err, attempt }, 'The controller could not be asked to take over what this broker leads');
    } finally {
      hold.end();
    }
  }
  logger.error({}, 'This broker stops though it still leads partitions: they are without a leader for a moment');
  return false;
}

/** Records wait from when the question leaves: another broker may have to be connected to first, and until then all is taken as before. */
async function ask({ brokerId, brokerEpoch, link, own, hold }: HandOverOptions, isHolding: boolean) {
  const body = (): { brokerId: number; brokerEpoch: number } => {
    if (isHolding) hold.begin();
    return { brokerId, brokerEpoch: brokerEpoch() };
  };
  return (await link.ask(ControlledShutdown, body, own)).response;
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.schedule(ms, resolve));
}
