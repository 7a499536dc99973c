import { type Api, decodeBody, ErrorCode, encodeBody } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerLane, Peers } from '../cluster/peers.ts';

/** What finds the controller. */
export interface ControllerLinkOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly peers: Peers;
  /** The listener that brokers use among themselves. */
  readonly listener: string;
  readonly timeoutMs: number;
}

/** No controller is known, or the one that was known is none any more. */
export class NoControllerError extends Error {
  override readonly name = 'NoControllerError';
  readonly code = 'NO_CONTROLLER';
  readonly retriable = true;
}

/** What the controller answered, and the version that was spoken. */
export interface ControllerAnswer<Res> {
  readonly version: number;
  readonly response: Res;
}

/**
 * A broker's way to the active controller, which is the sender of the last UpdateMetadata. One that answers NOT_CONTROLLER is given up,
 * and so is one that does not answer (`NodeToControllerChannelManager`).
 */
export class ControllerLink {
  readonly #options: ControllerLinkOptions;
  #lane: { readonly brokerId: number; readonly address: string; readonly lane: PeerLane } | undefined;
  #isClosed = false;

  constructor(options: ControllerLinkOptions) {
    this.#options = options;
  }

  /**
   * Asks the controller in the highest version that both know.
   * @throws when none is known, it does not answer, or it is none any more: whoever asks tries again a moment later.
   */
  async ask<Req, Res extends { errorCode: number }, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: (version: number) => ReqInput,
    own: (request: Req, version: number) => Promise<ResInput>,
  ): Promise<ControllerAnswer<Res>> {
    const { brokerId, cluster, timeoutMs } = this.#options;
    const { controllerId } = cluster;
    if (this.#isClosed || controllerId < 0) throw new NoControllerError('No controller is known now.');
    if (controllerId === brokerId) return this.#askOwn(api, body, own);
    const lane = this.#laneTo(controllerId);
    let version = -1;
    try {
      const spoken = (chosen: number): ReqInput => {
        version = chosen;
        return body(chosen);
      };
      const response = await lane.send(api, 'auto', spoken, { timeoutMs });
      if (response.errorCode === ErrorCode.NOT_CONTROLLER) {
        throw new NoControllerError(`Broker ${controllerId} is none.`);
      }
      return { version, response };
    } catch (error) {
      this.#giveUp();
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#giveUp();
  }

  /** Past the network, but through the same bytes, so that there is one form of requests and answers. */
  async #askOwn<Req, Res extends { errorCode: number }, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: (version: number) => ReqInput,
    own: (request: Req, version: number) => Promise<ResInput>,
  ): Promise<ControllerAnswer<Res>> {
    const version = api.maxVersion;
    const request = decodeBody(api.request, version, encodeBody(api.request, version, body(version)));
    const answer = encodeBody(api.response, version, await own(request, version));
    const response = decodeBody(api.response, version, answer);
    if (response.errorCode === ErrorCode.NOT_CONTROLLER) throw new NoControllerError('This broker is none.');
    return { version, response };
  }

  #laneTo(controllerId: number): PeerLane {
    const { brokerId, cluster, peers, listener } = this.#options;
    const endpoint = cluster.endpoint(controllerId, listener) ?? cluster.brokers.get(controllerId)?.endpoints[0];
    if (endpoint === undefined) {
      throw new NoControllerError(`Controller ${controllerId} is not among the live brokers.`);
    }
    const { host, port, securityProtocol } = endpoint;
    const address = `${host}:${port}`;
    if (this.#lane?.brokerId === controllerId && this.#lane.address === address) return this.#lane.lane;
    this.#giveUp();
    const lane = peers.lane({ brokerId: controllerId, host, port, securityProtocol }, String(brokerId));
    this.#lane = { brokerId: controllerId, address, lane };
    return lane;
  }

  #giveUp(): void {
    this.#lane?.lane.close();
    this.#lane = undefined;
  }
}
