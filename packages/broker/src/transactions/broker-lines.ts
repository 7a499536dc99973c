import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerLine, Peers } from '../cluster/peers.ts';

export interface BrokerLinesOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  /** `inter.broker.listener.name` */
  readonly listener: string;
}

/** Ways to other brokers for one purpose, one to each, opened when they are first used. */
export class BrokerLines {
  readonly #options: BrokerLinesOptions;
  readonly #lines = new Map<number, { readonly address: string; readonly line: PeerLine }>();
  #isClosed = false;

  constructor(options: BrokerLinesOptions) {
    this.#options = options;
  }

  /** The way to a broker; undefined while it is not alive, as far as this one knows. */
  to(brokerId: number): PeerLine | undefined {
    const { brokerId: ownId, cluster, peers, listener } = this.#options;
    const endpoint = cluster.endpoint(brokerId, listener) ?? cluster.brokers.get(brokerId)?.endpoints[0];
    if (endpoint === undefined || this.#isClosed) return undefined;
    const { host, port, securityProtocol } = endpoint;
    const address = `${host}:${port}`;
    const known = this.#lines.get(brokerId);
    if (known?.address === address) return known.line;
    known?.line.close();
    const line = peers.line({ brokerId, host, port, securityProtocol }, String(ownId));
    this.#lines.set(brokerId, { address, line });
    return line;
  }

  close(): void {
    this.#isClosed = true;
    for (const { line } of this.#lines.values()) line.close();
    this.#lines.clear();
  }
}
