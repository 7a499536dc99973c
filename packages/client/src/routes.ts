/** Ways to a broker: each finds the right one, and after a failure does not trust what it knew before. */
import {
  AuthenticationError,
  type Connection,
  ConnectionError,
  KafkaError,
  RequestTimedOutError,
  UnexpectedResponseError,
} from '@millrace/network';
import { ErrorCode } from '@millrace/protocol';
import { type Address, formatAddress } from './address.ts';
import type { BrokerLinks } from './broker-links.ts';
import type { Coordinators, CoordinatorType } from './coordinators.ts';
import { BrokerError, brokerError, NoBrokerError } from './errors.ts';
import type { MetadataCache } from './metadata-cache.ts';
import type { ClientSettings } from './options.ts';

/** What routes stand on. */
export interface RouteContext {
  readonly settings: ClientSettings;
  readonly links: BrokerLinks;
  readonly cache: MetadataCache;
  readonly coordinators: Coordinators;
  /** Asks the cluster for these topics; with none, for its brokers. */
  refresh(topics: readonly string[], signal: AbortSignal): Promise<void>;
}

/**
 * Gives a ready connection to the broker that should get the request.
 * @param failure What the attempt before failed with; undefined on the first.
 */
export type Route = (failure: unknown, signal: AbortSignal) => Promise<Connection>;

/** Whether a failure may come from knowing the wrong broker, or from one that is gone. */
export function mayBeStale(failure: unknown): boolean {
  return (
    (failure instanceof BrokerError && (failure.refreshMetadata || failure.errorCode === ErrorCode.NOT_CONTROLLER)) ||
    isConnectionFailure(failure)
  );
}

function isConnectionFailure(failure: unknown): boolean {
  return (
    failure instanceof ConnectionError ||
    failure instanceof RequestTimedOutError ||
    failure instanceof UnexpectedResponseError ||
    failure instanceof NoBrokerError
  );
}

/** To one broker by its id. */
export function toBroker(context: RouteContext, nodeId: number, lane: string): Route {
  return async (failure, signal) => {
    if (mayBeStale(failure) || !context.cache.brokers.has(nodeId)) await context.refresh([], signal);
    const node = context.cache.brokers.get(nodeId);
    if (node === undefined) {
      const known = [...context.cache.brokers.keys()].join(', ') || 'none';
      throw new NoBrokerError(`Broker ${nodeId} is not in the cluster at the moment (brokers: ${known})`, {
        retriable: true,
      });
    }
    return context.links.get(node, lane, signal);
  };
}

/** To the leader of a partition. */
export function toLeader(context: RouteContext, topic: string, partition: number, lane: string): Route {
  return async (failure, signal) => {
    const leaderId = context.cache.partition(topic, partition)?.leaderId ?? -1;
    if (leaderId < 0 || mayBeStale(failure)) await context.refresh([topic], signal);
    const known = context.cache.partition(topic, partition);
    const what = `Looking for the leader of partition ${partition} of "${topic}"`;
    if (known === undefined) throw brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, what);
    const node = context.cache.brokers.get(known.leaderId);
    if (node === undefined) throw brokerError(ErrorCode.LEADER_NOT_AVAILABLE, what);
    return context.links.get(node, lane, signal);
  };
}

/** To the controller; with KRaft to the broker that the cluster names as such, which passes requests on. */
export function toController(context: RouteContext, lane: string): Route {
  return async (failure, signal) => {
    if (context.cache.controllerId < 0 || mayBeStale(failure)) await context.refresh([], signal);
    const node = context.cache.brokers.get(context.cache.controllerId);
    if (node === undefined) {
      throw brokerError(ErrorCode.NOT_CONTROLLER, 'Looking for the controller', 'the cluster has none at the moment');
    }
    return context.links.get(node, lane, signal);
  };
}

/** To the coordinator of a group or a transactional id. */
export function toCoordinator(context: RouteContext, type: CoordinatorType, key: string, lane: string): Route {
  return async (failure, signal) => {
    const moved =
      failure instanceof BrokerError &&
      (failure.errorCode === ErrorCode.NOT_COORDINATOR || failure.errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE);
    if (moved || isConnectionFailure(failure)) context.coordinators.invalidate(type, key);
    return context.links.get(await context.coordinators.find(type, key, signal), lane, signal);
  };
}

/** So many looks in haste may ask the same broker before another comes first, which may have to be connected to. */
const LOOKS_IN_A_ROW_MAX = 5;

/** How it is looked in haste, again and again, for something that has changed. */
export class Haste {
  /** The lane to take where requests are under way on the other. */
  readonly aside: string;
  #lastAsked: string | undefined;
  #looks = 0;

  constructor(aside: string) {
    this.aside = aside;
  }

  /** Who has been asked often enough: a broker that is cut off from its cluster says what was, for as long as that lasts. */
  get avoided(): string | undefined {
    return this.#looks >= LOOKS_IN_A_ROW_MAX ? this.#lastAsked : undefined;
  }

  asked(address: string): void {
    this.#looks = address === this.#lastAsked ? this.#looks + 1 : 1;
    this.#lastAsked = address;
  }
}

/** To whichever broker answers: one that is connected, else a known one, else a bootstrap server. */
export function toAnyBroker(context: RouteContext, lane: string, haste?: Haste): Route {
  return async (_failure, signal) => {
    const failures: unknown[] = [];
    for (const address of candidates(context, lane, haste?.avoided)) {
      // One that failed just now is waited for only where nobody else can be asked.
      if (failures.length > 0 && context.links.backoffMs(address) > 0) continue;
      try {
        const isBusy = haste !== undefined && context.links.peek(address, lane)?.isBusy === true;
        const connection = await context.links.get(address, isBusy ? haste.aside : lane, signal);
        haste?.asked(formatAddress(address));
        return connection;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof KafkaError) || error instanceof AuthenticationError) throw error;
        failures.push(error);
      }
    }
    throw noBroker(failures);
  };
}

/** Known brokers come before bootstrap servers, those that can be tried now before those that failed just now. */
const RANK_CONNECTED = -1000;
const RANK_AVOIDED = 50_000;
const RANK_BOOTSTRAP = 100_000;
const RANK_BACKING_OFF = 500_000;
const RANK_SUSPECT = 1_000_000;

/** All addresses, the most promising first; equals in random order. */
function candidates({ cache, links, settings }: RouteContext, lane: string, avoided: string | undefined): Address[] {
  const ranked = new Map<string, { address: Address; rank: number }>();
  const add = (address: Address, base: number): void => {
    const key = formatAddress(address);
    if (!ranked.has(key)) {
      const backoffMs = links.backoffMs(address);
      const rank =
        base +
        (links.peek(address, lane) === undefined ? 0 : RANK_CONNECTED) +
        (backoffMs > 0 ? RANK_BACKING_OFF + backoffMs : 0) +
        (links.isSuspect(address) ? RANK_SUSPECT : 0) +
        (key === avoided ? RANK_AVOIDED : 0) +
        settings.random.nextInt(1000) / 1000;
      ranked.set(key, { address, rank });
    }
  };
  for (const node of cache.brokers.values()) {
    add(node, 0);
  }
  for (const address of settings.bootstrap) {
    add(address, RANK_BOOTSTRAP);
  }
  return [...ranked.values()].sort((a, b) => a.rank - b.rank).map(({ address }) => address);
}

function noBroker(failures: readonly unknown[]): NoBrokerError {
  const messages = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)));
  return new NoBrokerError(`No broker can be reached. ${messages.join('; ')}`, {
    retriable: failures.some((failure) => !(failure instanceof KafkaError) || failure.retriable),
    cause: failures.at(-1),
  });
}
