import type { Clock } from '@millrace/ports';
import type { BrokerChannel, LiveBroker } from '../cluster/broker-channel.ts';
import type { InterBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { Peers } from '../cluster/peers.ts';
import type { Logger } from '../shared/logger.ts';
import type { CommandInbox } from './command-inbox.ts';
import { LocalChannel } from './local-channel.ts';
import { RemoteChannel } from './remote-channel.ts';
import { endpointOf } from './wire.ts';

/** What opens channels to brokers. */
export interface ChannelsOptions {
  readonly brokerId: number;
  readonly inbox: CommandInbox;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly versions: InterBrokerVersions;
  /** `inter.broker.listener.name` */
  readonly listener: string;
  /** `controller.socket.timeout.ms` */
  readonly timeoutMs: number;
}

/** The controller's ways to brokers: past the network to its own, by requests to all others. */
export class Channels {
  readonly #options: ChannelsOptions;

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  /**
   * A channel to a broker for as long as it is registered as it is now; whoever opens it closes it.
   * @param onOverflow Told when commands were dropped, because too many waited for the broker: it must be told all anew.
   */
  open({ id, endpoints }: LiveBroker, onOverflow: () => void): BrokerChannel {
    const { brokerId, inbox, peers, listener, ...shared } = this.#options;
    if (id === brokerId) return new LocalChannel({ inbox, brokerId, clock: shared.clock, logger: shared.logger });
    const endpoint = endpointOf(endpoints, listener);
    const { host, port, securityProtocol } = endpoint ?? { host: '', port: -1, securityProtocol: 'PLAINTEXT' };
    const lane = peers.lane({ brokerId: id, host, port, securityProtocol }, String(brokerId));
    return new RemoteChannel({ ...shared, brokerId: id, lane, listener, onOverflow });
  }
}
