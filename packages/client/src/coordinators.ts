import { ErrorCode, type FindCoordinatorRequestInput, type FindCoordinatorResponse } from '@millrace/protocol';
import { brokerError } from './errors.ts';
import type { BrokerNode } from './metadata-cache.ts';

/** What a coordinator coordinates. */
export type CoordinatorType = 'group' | 'transaction';

const KEY_TYPES: Readonly<Record<CoordinatorType, number>> = { group: 0, transaction: 1 };

/** Coordinators remembered at once; the one found first makes room. */
const COORDINATORS_MAX = 10_000;

/** From this version on one request may ask for several keys (KIP-699). */
const BATCHED_SINCE = 4;

/** Sends one FindCoordinator request to any broker, without retrying what it answers. */
export type AskCoordinator = (
  request: (version: number) => FindCoordinatorRequestInput,
  signal: AbortSignal | undefined,
) => Promise<FindCoordinatorResponse>;

/** Which broker coordinates a group or a transactional id, remembered until it turns out to be wrong. */
export class Coordinators {
  readonly #ask: AskCoordinator;
  readonly #found = new Map<string, BrokerNode>();

  constructor(ask: AskCoordinator) {
    this.#ask = ask;
  }

  /** @throws BrokerError such as COORDINATOR_NOT_AVAILABLE, and whatever asking throws. */
  async find(type: CoordinatorType, key: string, signal?: AbortSignal): Promise<BrokerNode> {
    const id = `${type}:${key}`;
    const known = this.#found.get(id);
    if (known !== undefined) return known;
    const response = await this.#ask((version) => {
      const keyType = KEY_TYPES[type];
      return version >= BATCHED_SINCE ? { keyType, coordinatorKeys: [key] } : { keyType, key };
    }, signal);
    const answer = response.coordinators.find((coordinator) => coordinator.key === key) ?? response;
    const what = `FindCoordinator of ${type} "${key}"`;
    if (answer.errorCode !== ErrorCode.NONE) throw brokerError(answer.errorCode, what, answer.errorMessage);
    if (answer.nodeId < 0 || answer.host === '') throw brokerError(ErrorCode.COORDINATOR_NOT_AVAILABLE, what);
    const node = { nodeId: answer.nodeId, host: answer.host, port: answer.port, rack: null };
    this.#remember(id, node);
    return node;
  }

  /** Forgets a coordinator, so that the next {@link find} asks. */
  invalidate(type: CoordinatorType, key: string): void {
    this.#found.delete(`${type}:${key}`);
  }

  #remember(id: string, node: BrokerNode): void {
    if (this.#found.size >= COORDINATORS_MAX) {
      const [oldest] = this.#found.keys();
      if (oldest !== undefined) this.#found.delete(oldest);
    }
    this.#found.set(id, node);
  }
}
