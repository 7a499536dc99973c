import type { Api } from '@millrace/protocol';

/** Where another broker listens for its peers. */
export interface PeerAddress {
  readonly brokerId: number;
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: string;
}

/** How a request to a peer is sent. */
export interface PeerSendOptions {
  /** When the answer has not come by then, the request has failed and the connection is given up. */
  readonly timeoutMs: number;
}

/**
 * The way to one broker for one purpose. It connects when it is first used, and again when a connection was lost. Requests go out in
 * the order of the calls, and are answered in that order.
 */
export interface PeerLane {
  /**
   * Sends a request and resolves with the answer.
   * @param version The version to speak, or `auto` for the highest that both know; then the body may depend on it.
   * @throws an error of whatever kind when there is no answer: the peer is out of reach, has closed the connection or was silent for
   *   too long. Whether it has done what was asked, nobody knows.
   */
  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: PeerSendOptions,
  ): Promise<Res>;
  /** Gives up the connection, so that what is under way fails now; the next request connects anew. */
  reset(): void;
  /** Ends what is under way; nothing can be sent after it. */
  close(): void;
}

/** Other brokers, as this one reaches them: over sockets in a process, over a made-up network in tests and simulations. */
export interface Peers {
  /** @param clientId What the peer finds in the headers of the requests. */
  lane(address: PeerAddress, clientId: string): PeerLane;
}

/** No other brokers: what a cluster of one has. */
export const noPeers: Peers = {
  lane: ({ brokerId }) => ({
    send: () => Promise.reject(new PeerUnreachableError(brokerId)),
    reset: () => {},
    close: () => {},
  }),
};

/** A broker was asked to reach another, and was given no way to. */
export class PeerUnreachableError extends Error {
  override readonly name = 'PeerUnreachableError';
  readonly code = 'PEER_UNREACHABLE';
  readonly retriable = true;

  constructor(brokerId: number) {
    super(`Cannot reach broker ${brokerId}: this broker was started without a way to its peers.`);
  }
}
