import { type ConnectionOptions, type Logger, type SaslOptions, silentLogger } from '@millrace/network';
import { type Clock, type Random, systemClock, systemRandom } from '@millrace/ports';
import { type Address, parseBootstrapServers } from './address.ts';
import type { BackoffSettings } from './backoff.ts';
import { InvalidOptionError } from './errors.ts';
import type { RetryPolicy } from './retry.ts';

/** What producer, consumer and admin have in common. Only `bootstrapServers` has no default. */
export interface ClientOptions {
  /** Some brokers of the cluster, as `host:port`: a list, or one string with commas. The others are found through them. */
  readonly bootstrapServers: string | readonly string[];
  /** The name brokers log and count this client by. Default `millrace`. */
  readonly clientId?: string | undefined;
  /** `true` for TLS with the system's certificate authorities, or what `node:tls` takes. Default plaintext. */
  readonly tls?: ConnectionOptions['tls'];
  /** How to authenticate. Default not at all. */
  readonly sasl?: SaslOptions | undefined;
  /** Until a connection is ready, TLS and authentication included, in milliseconds. Default 10000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Until a single request is answered, in milliseconds (`request.timeout.ms`). Default 30000. */
  readonly requestTimeoutMs?: number | undefined;
  /** For an operation with all its retries, in milliseconds (`default.api.timeout.ms`). Default 60000. */
  readonly apiTimeoutMs?: number | undefined;
  /** Attempts after the first. Default 2147483647: `apiTimeoutMs` is what ends an operation. */
  readonly retries?: number | undefined;
  /** Before the second attempt, in milliseconds; doubles with each further one (`retry.backoff.ms`). Default 100. */
  readonly retryBackoffMs?: number | undefined;
  /** The longest wait between attempts, in milliseconds (`retry.backoff.max.ms`). Default 1000. */
  readonly retryBackoffMsMax?: number | undefined;
  /** Before a broker that could not be reached is tried again, in milliseconds; doubles. Default 50. */
  readonly reconnectBackoffMs?: number | undefined;
  /** The longest such wait, in milliseconds. Default 1000. */
  readonly reconnectBackoffMsMax?: number | undefined;
  /** A connection without traffic for this long is closed, in milliseconds (`connections.max.idle.ms`). Default 540000. */
  readonly connectionIdleMsMax?: number | undefined;
  /** After this time what is known of topics is asked for again, in milliseconds (`metadata.max.age.ms`). Default 300000. */
  readonly metadataMaxAgeMs?: number | undefined;
  /** Whether asking for a topic may create it, if the brokers allow that. Default true. */
  readonly allowAutoTopicCreation?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** pino or alike. Default silent. */
  readonly logger?: Logger | undefined;
}

/** The options with everything filled in. */
export interface ClientSettings {
  readonly bootstrap: readonly Address[];
  /** For each connection; host and port are added. */
  readonly connection: Omit<ConnectionOptions, 'host' | 'port'>;
  readonly requestTimeoutMs: number;
  readonly retry: RetryPolicy;
  readonly reconnect: BackoffSettings;
  readonly connectionIdleMsMax: number;
  readonly metadataMaxAgeMs: number;
  readonly allowAutoTopicCreation: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const JITTER = 0.2;
const RETRIES = 2 ** 31 - 1;

/**
 * Fills in the defaults.
 * @throws InvalidOptionError for values that make no sense.
 */
export function clientSettings(options: ClientOptions): ClientSettings {
  const duration = (name: keyof ClientOptions, fallback: number): number => {
    const value = options[name] ?? fallback;
    if (typeof value !== 'number' || !(value >= 0)) {
      throw new InvalidOptionError(`${name} must be a number of at least 0, not ${String(value)}`);
    }
    return value;
  };
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? silentLogger;
  const requestTimeoutMs = duration('requestTimeoutMs', 30_000);
  return {
    bootstrap: parseBootstrapServers(options.bootstrapServers),
    connection: {
      clientId: options.clientId,
      tls: options.tls,
      sasl: options.sasl,
      connectTimeoutMs: duration('connectTimeoutMs', 10_000),
      requestTimeoutMs,
      clock,
      random,
      logger,
    },
    requestTimeoutMs,
    retry: {
      retries: duration('retries', RETRIES),
      backoffMs: duration('retryBackoffMs', 100),
      backoffMsMax: duration('retryBackoffMsMax', 1000),
      jitter: JITTER,
      timeoutMs: duration('apiTimeoutMs', 60_000),
    },
    reconnect: {
      backoffMs: duration('reconnectBackoffMs', 50),
      backoffMsMax: duration('reconnectBackoffMsMax', 1000),
      jitter: JITTER,
    },
    connectionIdleMsMax: duration('connectionIdleMsMax', 540_000),
    metadataMaxAgeMs: duration('metadataMaxAgeMs', 300_000),
    allowAutoTopicCreation: options.allowAutoTopicCreation ?? true,
    clock,
    random,
    logger,
  };
}
