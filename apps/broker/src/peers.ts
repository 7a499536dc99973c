import type { BrokerConfig, Logger, Peers } from '@millrace/broker';
import { ReconnectingConnection } from '@millrace/network';

/** Other brokers over sockets. */
export function connectionPeers(config: BrokerConfig, logger: Logger): Peers {
  return {
    line: ({ host, port }, clientId) =>
      new ReconnectingConnection({
        host,
        port,
        clientId,
        connectTimeoutMs: config.controllerSocketTimeoutMs,
        responseBytesMax: config.replicaFetchResponseMaxBytes + RESPONSE_OVERHEAD_BYTES_MAX,
        logger,
      }),
  };
}

/** What a Fetch's answer may have beside records, and the one batch that may be larger than was asked for. */
const RESPONSE_OVERHEAD_BYTES_MAX = 256 * 1024 * 1024;
