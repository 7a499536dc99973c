import { ErrorCode } from '@millrace/protocol';
import type { Partition } from '../replicas/partition.ts';
import type { RequestContext } from './handler.ts';

/** Where a new leader is reached. */
export interface NodeEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/**
 * Tells clients that came to the wrong broker who leads, so that they need not ask for metadata first (KIP-951). Collects
 * the endpoints that the response must carry for that.
 */
export class LeaderHints {
  readonly #context: RequestContext;
  readonly #isEnabled: boolean;
  readonly #endpoints = new Map<number, NodeEndpoint>();

  /** @param isEnabled Whether the version of the response has the fields. */
  constructor(context: RequestContext, isEnabled: boolean) {
    this.#context = context;
    this.#isEnabled = isEnabled;
  }

  get endpoints(): NodeEndpoint[] {
    return [...this.#endpoints.values()];
  }

  /** The leader to name beside an error; undefined when there is none to name. */
  of(errorCode: number, partition: Partition | undefined): { leaderId: number; leaderEpoch: number } | undefined {
    const isOfInterest = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
    if (!this.#isEnabled || !isOfInterest || partition === undefined) return undefined;
    const { broker, connection } = this.#context;
    const { leaderId, leaderEpoch } = partition;
    const endpoint = broker.cluster.endpoint(leaderId, connection.listenerName);
    if (endpoint === undefined) return undefined;
    const rack = broker.cluster.brokers.get(leaderId)?.rack ?? null;
    this.#endpoints.set(leaderId, { nodeId: leaderId, host: endpoint.host, port: endpoint.port, rack });
    return { leaderId, leaderEpoch };
  }
}
