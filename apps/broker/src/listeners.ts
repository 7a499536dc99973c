import {
  type BrokerConfig,
  type BrokerEndpoint,
  type BrokerServices,
  javaAddress,
  type Logger,
  type SslSettings,
} from '@millrace/broker';
import {
  ConnectionAdmission,
  type ConnectionContext,
  type ConnectionLimits,
  Listener,
  principalMapping,
  type RequestHandler,
  RequestMemory,
  ResponseMemory,
  type SecurityProtocol,
} from '@millrace/network';
import type { MetricRegistry } from './metrics/registry.ts';
import { LiveCertificates } from './security/live-certificates.ts';
import { StartError } from './start-error.ts';

/** Lets requests through to the broker, and holds back those that come before it is there. */
export class RequestGate implements RequestHandler {
  #handler: RequestHandler | undefined;
  readonly #opened: Promise<RequestHandler>;
  #open!: (handler: RequestHandler) => void;

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(handler: RequestHandler): void {
    this.#handler = handler;
    this.#open(handler);
  }

  handle(...request: Parameters<RequestHandler['handle']>): ReturnType<RequestHandler['handle']> {
    if (this.#handler !== undefined) return this.#handler.handle(...request);
    return this.#opened.then((handler) => handler.handle(...request));
  }

  connectionClosed(connection: ConnectionContext): void {
    this.#handler?.connectionClosed?.(connection);
  }
}

/** What listeners report to. */
export interface ListenerSurroundings {
  readonly logger: Logger;
  readonly metrics: MetricRegistry;
  /** The broker once it has started: what it keeps of limits may change while clients are connected. */
  readonly running: () => BrokerServices | undefined;
  /** The certificates of listeners with TLS, by the listeners' names. */
  readonly certificates: ReadonlyMap<string, LiveCertificates>;
  /** Takes what closes a listener that is open. */
  readonly closers: (() => Promise<void>)[];
}

/** Opens the listeners of `listeners`. Requests that come before the broker is there wait for it. */
export async function bindListeners(
  config: BrokerConfig,
  requestHandler: RequestHandler,
  { logger, metrics, running, closers, certificates }: ListenerSurroundings,
): Promise<readonly Listener[]> {
  const bytesMax = config.queuedMaxRequestBytes > 0 ? config.queuedMaxRequestBytes : undefined;
  const memory = new RequestMemory(bytesMax, config.queuedMaxRequests);
  const responses = new ResponseMemory();
  const admission = new ConnectionAdmission({
    limits: connectionLimits(config, running),
    protectedListener: config.interBrokerListenerName,
    logger,
  });
  const listeners: Listener[] = [];
  for (const { name, host, port, securityProtocol } of config.endpoints) {
    const { ssl, sasl } = config.listenerSecurity.get(name) ?? {};
    const live = certificates.get(name);
    const listener = new Listener({
      ...(ssl === undefined || live === undefined ? {} : tlsListenerOptions(name, ssl, live)),
      loginBytesMax: sasl?.receiveBytesMax,
      handler: requestHandler,
      name,
      host: host === '' ? undefined : host,
      port,
      securityProtocol: securityProtocol as SecurityProtocol,
      requestBytesMax: config.socketRequestMaxBytes,
      memory,
      responses,
      idleMsMax: config.connectionsMaxIdleMs,
      admission,
      backlog: config.socketListenBacklogSize,
      logger,
    });
    await listener.listen();
    // Without grace: where the start fails, nobody is there to answer the requests that wait.
    closers.push(() => listener.close(0));
    live?.watch((options) => listener.updateTls(options));
    listeners.push(listener);
  }
  exposeListeners(listeners, metrics);
  metrics.gauge(
    'millrace_network_connections_waiting',
    'Connections that wait because there are as many as there may be, or too many new ones',
    () => admission.stats().waiting,
  );
  return listeners;
}

/** The limits of connections as the settings have them now. */
function connectionLimits(config: BrokerConfig, running: ListenerSurroundings['running']): ConnectionLimits {
  const current = (): BrokerConfig => running()?.configRepository.current ?? config;
  return {
    get connectionsMax() {
      return current().maxConnections;
    },
    get creationRateMax() {
      return rateOf(current().maxConnectionCreationRate);
    },
    listener: (name) => {
      const { connectionsMax = UNLIMITED, creationRateMax = UNLIMITED } =
        current().connectionLimits.listeners.get(name) ?? {};
      return { connectionsMax, creationRateMax: rateOf(creationRateMax) };
    },
    perAddressMax: (address) => {
      const { connectionLimits: limits, maxConnectionsPerIp } = current();
      return limits.byAddress.size === 0
        ? maxConnectionsPerIp
        : (limits.byAddress.get(javaAddress(address)) ?? maxConnectionsPerIp);
    },
    addressRateMax: (address) => running()?.quotaRules.connectionRate(address) ?? UNLIMITED,
  };
}

const UNLIMITED = Number.POSITIVE_INFINITY;

/** The largest number of its type stands for none. */
function rateOf(perSecond: number): number {
  return perSecond >= 2 ** 31 - 1 ? UNLIMITED : perSecond;
}

/** Reads the certificates of all listeners with TLS. @throws StartError START_CONFIG_INVALID */
export async function openCertificates(
  config: BrokerConfig,
  logger: Logger,
  closers: ListenerSurroundings['closers'],
): Promise<ReadonlyMap<string, LiveCertificates>> {
  const certificates = new Map<string, LiveCertificates>();
  for (const [name, { ssl }] of config.listenerSecurity) {
    if (ssl === undefined) continue;
    const live = await LiveCertificates.open(name, ssl, logger);
    closers.push(async () => live.close());
    certificates.set(name, live);
  }
  return certificates;
}

function tlsListenerOptions(name: string, ssl: SslSettings, live: LiveCertificates) {
  try {
    const principalOf = principalMapping(ssl.principalMappingRules);
    return { tls: live.options, clientAuth: ssl.clientAuth, principalOf };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(
      'START_CONFIG_INVALID',
      `ssl.principal.mapping.rules of listener ${name} cannot be used: ${reason}`,
      cause,
    );
  }
}

/** What clients are told to connect to, with the real port where the system chose it. */
export function advertise(config: BrokerConfig, listeners: readonly Listener[]): BrokerEndpoint[] {
  return config.advertisedEndpoints.map(({ name, securityProtocol, host, port }) => {
    const bound = listeners.find((listener) => listener.name === name)?.address.port;
    return { listener: name, securityProtocol, host, port: port === 0 && bound !== undefined ? bound : port };
  });
}

function exposeListeners(listeners: readonly Listener[], metrics: MetricRegistry): void {
  const each = (read: (stats: ReturnType<Listener['stats']>) => number) => () =>
    listeners.map((listener) => [{ listener: listener.name }, read(listener.stats())] as const);
  metrics.gauge(
    'kafka_server_socketservermetrics_connection_count',
    'Connections that are open',
    each((stats) => stats.connectionsOpen),
  );
  metrics.gauge(
    'kafka_network_requestchannel_requestqueuesize',
    'Requests that are being worked on',
    each((stats) => stats.requestsInFlight),
  );
  metrics.gauge('kafka_network_memory_held_bytes', 'Bytes of requests that are being read or worked on', () => {
    const stats = listeners[0]?.stats().memory;
    return stats === undefined ? 0 : stats.assemblingBytes + stats.handlingBytes + stats.parkedBytes;
  });
  metrics.gauge(
    'millrace_network_unsent_response_bytes',
    'Bytes of responses that are being read or that clients have not taken',
    () => listeners[0]?.stats().responses.unsentBytes ?? 0,
  );
  metrics.gauge(
    'millrace_network_connections_evicted',
    'Connections closed because memory was short and they stood still',
    () => {
      const stats = listeners[0]?.stats();
      return stats === undefined ? 0 : stats.memory.evictedConnections + stats.responses.evictedConnections;
    },
  );
}
