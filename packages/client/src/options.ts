import {
  type ConnectionOptions,
  type SaslOptions,
  type TlsSettings,
  type TlsSource,
  tlsFault,
} from '@millrace/network';
import {
  aBoolean,
  aFunction,
  anyText,
  anything,
  type Clock,
  type FieldRules,
  faultOf,
  guardedLogger,
  type Logger,
  milliseconds,
  millisecondsOrInfinity,
  objectWith,
  type Random,
  required,
  silentLogger,
  someText,
  systemClock,
  systemRandom,
  type ValueRule,
  valueFault,
  wholeNumber,
} from '@millrace/ports';
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
  /**
   * `true` for TLS with the system's certificate authorities, what `node:tls` takes, or a function that gives one of both. A function is asked
   * for every connection, so that certificates and authorities may be replaced while the client goes on; where it fails, connecting has
   * failed (`NETWORK_CREDENTIALS_FAILED`, with its error as the cause) and is tried again. Default plaintext.
   *
   * @example
   * tls: async () => ({ ca: await readFile('ca.pem'), cert: await readFile('me.cert.pem'), key: await readFile('me.key.pem') })
   */
  readonly tls?: TlsSettings | TlsSource | false | undefined;
  /** How to authenticate; a password or token may be a function, which is asked at every login. Default not at all. */
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
  /**
   * pino, `console` or alike; one that throws hurts nothing. Default silent, but for one warning of Node's (`process.emitWarning`) when no
   * broker can be reached at the start.
   */
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
  /** Whether the program gave a logger; without one, that no broker is there at the start is a warning of Node's. */
  readonly hasLogger: boolean;
}

const serverList: ValueRule = {
  expects: '"host:port", or an array of such',
  accepts: (value) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((each) => typeof each === 'string')),
};

const tlsOptions: ValueRule = {
  expects: 'true, false, the options of node:tls, or a function that gives them',
  accepts: (value) => ['boolean', 'function'].includes(typeof value) || (typeof value === 'object' && value !== null),
};

/** What each option must be like. The SDKs' own tables begin with these. */
export const clientOptionFields: FieldRules<ClientOptions> = {
  bootstrapServers: required(serverList),
  clientId: someText,
  tls: tlsOptions,
  // Looked at by itself: what belongs in it depends on the mechanism.
  sasl: anything,
  connectTimeoutMs: milliseconds(),
  requestTimeoutMs: milliseconds(),
  apiTimeoutMs: millisecondsOrInfinity(),
  retries: wholeNumber(0),
  retryBackoffMs: milliseconds(),
  retryBackoffMsMax: milliseconds(),
  reconnectBackoffMs: milliseconds(),
  reconnectBackoffMsMax: milliseconds(),
  connectionIdleMsMax: millisecondsOrInfinity(),
  metadataMaxAgeMs: millisecondsOrInfinity(),
  allowAutoTopicCreation: aBoolean,
  clock: objectWith('now', 'monotonic', 'schedule'),
  random: objectWith('nextInt', 'bytes'),
  logger: objectWith('debug', 'info', 'warn', 'error'),
};

/** Names of kafkajs, of Java's clients and of librdkafka that are far from ours. */
export const foreignClientOptions: Readonly<Record<string, string>> = {
  brokers: 'it is called bootstrapServers',
  ssl: 'it is called tls',
  connectionTimeout: 'it is called connectTimeoutMs',
  authenticationTimeout: 'connectTimeoutMs covers authentication too',
  retry: 'apiTimeoutMs says how long to go on, retryBackoffMs and retryBackoffMsMax how fast',
  logLevel: 'give a logger (pino, console, ...) that has the level you want',
  logCreator: 'give a logger: pino, console, or any object with debug, info, warn and error',
  socketFactory: 'it is not there; tls takes what node:tls takes',
  enforceRequestTimeout: 'requestTimeoutMs is always kept',
  'metadata.broker.list': 'it is called bootstrapServers',
  'security.protocol': 'tls and sasl say it',
};

/** The part of an SDK's options that is the client's. */
export function clientOptionsOf(options: ClientOptions): ClientOptions {
  const own = Object.keys(clientOptionFields).map((name) => [name, options[name as keyof ClientOptions]]);
  // The entries are those of the table, whose names the compiler holds to the type.
  return Object.fromEntries(own.filter(([, value]) => value !== undefined)) as unknown as ClientOptions;
}

const RETRIES = 2 ** 31 - 1;

/**
 * Fills in the defaults.
 * @throws InvalidOptionError for names that there are not and values that make no sense.
 */
export function clientSettings(options: ClientOptions): ClientSettings {
  const shape = { noun: 'option of a client', fields: clientOptionFields, foreign: foreignClientOptions };
  const fault = faultOf(options, shape) ?? tlsFault(options.tls) ?? saslFault(options.sasl);
  if (fault !== undefined) throw new InvalidOptionError(`Cannot make a client: ${fault}`);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = guardedLogger(options.logger ?? silentLogger);
  const requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
  return {
    bootstrap: parseBootstrapServers(options.bootstrapServers),
    connection: {
      clientId: options.clientId,
      tls: options.tls,
      sasl: options.sasl,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      requestTimeoutMs,
      clock,
      random,
      logger,
    },
    requestTimeoutMs,
    retry: {
      retries: options.retries ?? RETRIES,
      backoffMs: options.retryBackoffMs ?? 100,
      backoffMsMax: options.retryBackoffMsMax ?? 1000,
      timeoutMs: options.apiTimeoutMs ?? 60_000,
    },
    reconnect: {
      backoffMs: options.reconnectBackoffMs ?? 50,
      backoffMsMax: options.reconnectBackoffMsMax ?? 1000,
    },
    connectionIdleMsMax: options.connectionIdleMsMax ?? 540_000,
    metadataMaxAgeMs: options.metadataMaxAgeMs ?? 300_000,
    allowAutoTopicCreation: options.allowAutoTopicCreation ?? true,
    clock,
    random,
    logger,
    hasLogger: options.logger !== undefined,
  };
}

const secret: ValueRule = {
  expects: 'text or a function that gives it',
  accepts: (value) => anyText.accepts(value) || typeof value === 'function',
};

const passwordFields = { mechanism: required(someText), username: required(someText), password: required(secret) };

/** What belongs into `sasl`, by the mechanism. */
const saslFields: Readonly<Record<string, Readonly<Record<string, ValueRule>>>> = {
  PLAIN: passwordFields,
  'SCRAM-SHA-256': { ...passwordFields, delegationToken: aBoolean },
  'SCRAM-SHA-512': { ...passwordFields, delegationToken: aBoolean },
  OAUTHBEARER: { mechanism: required(someText), token: required(aFunction) },
};

const customFields = { mechanism: required(someText), exchange: required(aFunction) };

const foreignSaslOptions = {
  oauthBearerProvider: 'it is called token',
  authenticationProvider: 'it is called exchange',
};

/** What is wrong with `sasl`; undefined where nothing is. */
function saslFault(sasl: unknown): string | undefined {
  if (sasl === undefined) return undefined;
  const { mechanism, exchange } = (sasl ?? {}) as { mechanism?: unknown; exchange?: unknown };
  const isCustom = exchange !== undefined;
  const fields = isCustom ? customFields : saslFields[String(mechanism)];
  if (fields !== undefined || typeof mechanism !== 'string') {
    const shape = { noun: 'field of sasl', fields: fields ?? customFields, foreign: foreignSaslOptions };
    return faultOf(sasl, shape, 'sasl');
  }
  const known = Object.keys(saslFields);
  const expects = `${known.join(', ')}, or one of your own with exchange`;
  const fault = valueFault(mechanism, { expects, accepts: () => false, required: true }, 'sasl.mechanism');
  const meant = known.find((name) => name === mechanism.toUpperCase());
  return meant === undefined ? fault : `${fault}; did you mean '${meant}'?`;
}
