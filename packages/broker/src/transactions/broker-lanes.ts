import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerLane, Peers } from '../cluster/peers.ts';

export interface BrokerLanesOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  /** `inter.broker.listener.name` */
  readonly listener: string;
}

/** Ways to other brokers for one purpose, one to each, opened when they are first used. */
export class BrokerLanes {
  readonly #options: BrokerLanesOptions;
  readonly #lanes = new Map<number, { readonly address: string; readonly lane: PeerLane }>();
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(options: BrokerLanesOptions) {
    this.#options = options;
    this.#stopListening = options.cluster.onChange(() => this.#giveUpGone());
  }

  /** One that has left without a word, as with its power, never answers what it was asked. */
  #giveUpGone(): void {
    for (const [brokerId, { lane }] of this.#lanes) {
      if (this.#options.cluster.brokers.has(brokerId)) continue;
      this.#lanes.delete(brokerId);
      lane.close();
    }
  }

  /** The way to a broker; undefined while it is not alive, as far as this one knows. */
  to(brokerId: number): PeerLane | undefined {
    const { brokerId: ownId, cluster, peers, listener } = this.#options;
    const endpoint = cluster.endpoint(brokerId, listener) ?? cluster.brokers.get(brokerId)?.endpoints[0];
    if (endpoint === undefined || this.#isClosed) return undefined;
    const { host, port, securityProtocol } = endpoint;
    const address = `${host}:${port}`;
    const known = this.#lanes.get(brokerId);
    if (known?.address === address) return known.lane;
    known?.lane.close();
    const lane = peers.lane({ brokerId, host, port, securityProtocol }, String(ownId));
    this.#lanes.set(brokerId, { address, lane });
    return lane;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const { lane } of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }
}
