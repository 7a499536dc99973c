import type { PeerLane, Peers } from '@millrace/broker';
import { type Api, ApiVersions } from '@millrace/protocol';
import { NoAnswer, Requester } from '../clients/requester.ts';
import type { Gate } from './gate.ts';
import type { Network } from './network.ts';
import type { ProcessClock } from './process-clock.ts';

const API_VERSIONS_VERSION = 3;

/** What a process reaches its peers by. */
export interface SimulatedPeersOptions {
  readonly host: string;
  readonly network: Network;
  readonly clock: ProcessClock;
  readonly gate: Gate;
}

/** Other brokers, as one process reaches them over the simulated network. */
export function simulatedPeers({ host, network, clock, gate }: SimulatedPeersOptions): Peers {
  return {
    lane: (address, clientId) => {
      const requester = new Requester({
        client: clientId,
        from: host,
        to: address.host,
        network,
        clock,
        hear: (run) => gate.pass(run),
      });
      return new SimulatedLane(requester);
    },
  };
}

class SimulatedLane implements PeerLane {
  readonly #requester: Requester;
  /** By API, the highest version of the peer, as far as this connection has asked. */
  #versions: Map<number, number> | undefined;
  #isClosed = false;

  constructor(requester: Requester) {
    this.#requester = requester;
  }

  async send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<Res> {
    if (this.#isClosed) throw new NoAnswer('the lane is closed', false);
    try {
      const spoken = version === 'auto' ? await this.#highest(api, timeoutMs) : version;
      const asked = typeof body === 'function' ? (body as (version: number) => ReqInput)(spoken) : body;
      return await this.#requester.ask(api, spoken, asked, timeoutMs);
    } catch (error) {
      this.#versions = undefined;
      throw error;
    }
  }

  reset(): void {
    this.#versions = undefined;
    this.#requester.disconnect('the connection was given up');
  }

  close(): void {
    this.#isClosed = true;
    this.reset();
  }

  async #highest<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    timeoutMs: number,
  ): Promise<number> {
    if (this.#versions === undefined) {
      const body = { clientSoftwareName: 'simulated', clientSoftwareVersion: '1' };
      const { apiKeys } = await this.#requester.ask(ApiVersions, API_VERSIONS_VERSION, body, timeoutMs);
      this.#versions = new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
    }
    return Math.min(api.maxVersion, this.#versions.get(api.key) ?? 0);
  }
}
