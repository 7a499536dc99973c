/**
 * Lets nobody through to the handlers of a listener with SASL who has not logged in (KIP-43, KIP-152, KIP-368), as Kafka's
 * `SaslServerAuthenticator`: at most one ApiVersions, a SaslHandshake, then the tokens. Whatever else comes ends the connection
 * before its body is looked at, but for a short Metadata in the middle of a login. What fails is answered late, and the same for a wrong name as for a wrong password.
 */
import type { ConnectionContext, RequestAdmission } from '@millrace/network';
import { type Clock, withLineBudget } from '@millrace/ports';
import {
  ApiVersions,
  decodeRequestHeader,
  ErrorCode,
  encodeResponse,
  Metadata,
  Reader,
  type RequestHeader,
  SaslAuthenticate,
  SaslHandshake,
} from '@millrace/protocol';
import type { ListenerSecurity, MechanismSettings, SaslSettings } from '../../config/listener-security.ts';
import { BrokerFault } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Metrics } from '../../shared/metrics.ts';
import { type LoginExchange, LoginRefused, type LoginStep } from './exchange.ts';
import { faultOfName } from './user-names.ts';

type Frame = readonly Uint8Array[];
/** What of a request's admission a login needs. */
type LoginAdmission = Pick<RequestAdmission, 'release'>;

/** What the gate works with. */
export interface LoginGateOptions {
  readonly listeners: ReadonlyMap<string, ListenerSecurity>;
  /** Begins a login by a mechanism that a listener has. */
  readonly begin: (mechanism: string, settings: MechanismSettings) => LoginExchange;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** How far a connection's login is. */
interface Login {
  stage: 'begun' | 'exchange' | 'checking' | 'done';
  hasAskedVersions: boolean;
  mechanism: string;
  exchange: LoginExchange | undefined;
  /** After a handshake of version 0, tokens come without headers. */
  isBare: boolean;
  /** The message that is being looked at, as long as it counts against the bounds. */
  admission: LoginAdmission | undefined;
  /** Whom the connection belongs to already, while he logs in again. */
  principalBefore: string | undefined;
}

/** What a step of a login is answered with; how long it holds then, 0 for ever. */
interface Answered {
  readonly challenge: Buffer;
  readonly lifetimeMs: number;
}

/** Reasons have names in them that whoever tries has made up. */
const REASON_LENGTH_MAX = 300;

const LAST_HANDSHAKE_VERSION = 1;
const LAST_AUTHENTICATE_VERSION = 2;
const LAST_API_VERSIONS_VERSION = 4;
const LAST_METADATA_VERSION = 12;
/** A Metadata in the middle of a login is looked at up to this size. */
const METADATA_BYTES_MAX = 16 * 1024;

export class LoginGate {
  readonly #options: LoginGateOptions;
  /** Failed logins are as many as a client likes: so many lines are not written. */
  readonly #failures: Logger;
  readonly #logins = new WeakMap<ConnectionContext, Login>();

  constructor(options: LoginGateOptions) {
    this.#options = options;
    this.#failures = withLineBudget(options.logger, options.clock, 'info');
  }

  /**
   * Takes a frame that is part of a login, and gives its answer; undefined where the frame is for the handlers.
   * @throws BrokerFault where the connection must end.
   */
  handle(frame: Buffer, connection: ConnectionContext, admission: LoginAdmission): Promise<Frame> | Frame | undefined {
    const sasl = this.#options.listeners.get(connection.listenerName)?.sasl;
    if (sasl === undefined) return undefined;
    let login = this.#logins.get(connection);
    if (login === undefined) {
      login = newLogin();
      this.#logins.set(connection, login);
    }
    // What comes while a token is looked at was sent without waiting for the answer: nobody who keeps to the rules does.
    if (login.stage === 'checking') throw refusal('it goes on before its token was answered');
    login.admission = admission;
    if (login.stage === 'done') return this.#afterLogin(frame, login, sasl, connection);
    if (login.isBare && login.stage === 'exchange') return this.#takeBareToken(frame, login, sasl, connection);
    return this.#takeRequest(frame, login, sasl, connection);
  }

  #afterLogin(
    frame: Buffer,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> | Frame | undefined {
    const apiKey = frame.length >= 2 ? frame.readInt16BE(0) : -1;
    const { authentication } = connection;
    const endsAtMs = authentication.stage === 'done' ? authentication.expiresAtMs : undefined;
    if (apiKey === SaslHandshake.key && endsAtMs !== undefined) {
      const { mechanism, admission } = login;
      const again = { ...newLogin(), mechanism, admission, principalBefore: connection.principal };
      this.#logins.set(connection, again);
      return this.#takeRequest(frame, again, sasl, connection);
    }
    if (endsAtMs === undefined || this.#options.clock.now() < endsAtMs) return undefined;
    this.#count('expired_connections_killed_total', 'Connections closed because their login had run out', connection);
    throw refusal(`its login by ${login.mechanism} has run out, and it has not logged in again`);
  }

  #takeRequest(
    frame: Buffer,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> | Frame | undefined {
    const header = headerOf(frame);
    if (header === undefined) {
      return this.#endLate('something that is no request came before its login', sasl, connection);
    }
    const { apiKey, apiVersion } = header;
    if (login.stage === 'begun') {
      if (apiKey === ApiVersions.key && login.principalBefore === undefined) return askVersions(header, login);
      if (apiKey !== SaslHandshake.key) {
        return this.#endLate(`a request with API key ${apiKey} came before its login`, sasl, connection);
      }
      if (apiVersion > LAST_HANDSHAKE_VERSION || apiVersion < 0) {
        throw refusal(`SaslHandshake v${apiVersion} is not served`);
      }
      return this.#shakeHands(frame, header, login, sasl, connection);
    }
    if (apiKey === SaslAuthenticate.key && apiVersion >= 0 && apiVersion <= LAST_AUTHENTICATE_VERSION) {
      const { authBytes } = decoded(() =>
        SaslAuthenticate.request.decode(Reader.ofRequest(frame, header.bodyOffset), apiVersion),
      );
      return this.#takeToken(authBytes, header, login, sasl, connection);
    }
    return this.#answerIllegalState(frame, header, sasl, connection);
  }

  #shakeHands(
    frame: Buffer,
    header: RequestHeader,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> | Frame {
    const { apiVersion, correlationId } = header;
    const { mechanism } = decoded(() =>
      SaslHandshake.request.decode(Reader.ofRequest(frame, header.bodyOffset), apiVersion),
    );
    const mechanisms = [...sasl.mechanisms.keys()];
    const settings = sasl.mechanisms.get(mechanism);
    if (settings === undefined) {
      const answer = { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms };
      const reason = 'it wants a mechanism that is not enabled';
      return this.#failLate(encodeResponse(SaslHandshake, apiVersion, correlationId, answer), reason, sasl, connection);
    }
    if (login.principalBefore !== undefined && login.mechanism !== mechanism) {
      throw refusal('it logs in again by another mechanism');
    }
    login.mechanism = mechanism;
    login.exchange = this.#options.begin(mechanism, settings);
    login.isBare = apiVersion === 0;
    login.stage = 'exchange';
    if (login.principalBefore === undefined) {
      connection.authentication = { stage: 'exchange', mechanism, exchange: login.exchange };
    }
    return encodeResponse(SaslHandshake, apiVersion, correlationId, { errorCode: ErrorCode.NONE, mechanisms });
  }

  #takeToken(
    token: Buffer,
    { apiVersion, correlationId }: RequestHeader,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> | Frame {
    const answered = ({ challenge, lifetimeMs }: Answered): Frame =>
      encodeResponse(SaslAuthenticate, apiVersion, correlationId, {
        errorCode: ErrorCode.NONE,
        errorMessage: null,
        authBytes: challenge,
        ...(apiVersion >= 1 ? { sessionLifetimeMs: lifetimeMs } : {}),
      });
    const refused = ({ message, shown }: LoginRefused): Promise<Frame> => {
      const errorMessage = shown ?? hiddenReason(login);
      const answer = { errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED, errorMessage, authBytes: Buffer.alloc(0) };
      const frame = encodeResponse(SaslAuthenticate, apiVersion, correlationId, answer);
      return this.#failLate(frame, message, sasl, connection);
    };
    return this.#step(token, login, sasl, connection, answered, refused);
  }

  #takeBareToken(
    token: Buffer,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> | Frame {
    const answered = ({ challenge }: Answered): Frame => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(challenge.length);
      return [size, challenge];
    };
    const refused = ({ message }: LoginRefused): Promise<Frame> => this.#endLate(message, sasl, connection);
    return this.#step(token, login, sasl, connection, answered, refused);
  }

  /** One step of the exchange, which may take its time: until then nothing else of the connection is taken. */
  #step(
    token: Buffer,
    login: Login,
    sasl: SaslSettings,
    connection: ConnectionContext,
    answered: (answer: Answered) => Frame,
    refused: (refusal: LoginRefused) => Promise<Frame>,
  ): Promise<Frame> | Frame {
    const taken = (step: LoginStep): Frame => answered(this.#takeStep(step, login, sasl, connection));
    const failed = (error: unknown): Promise<Frame> => {
      if (error instanceof LoginRefused) return refused(error);
      throw error;
    };
    try {
      // There is one from the handshake on.
      const step = (login.exchange as LoginExchange).respond(token);
      if (!(step instanceof Promise)) return taken(step);
      login.stage = 'checking';
      // Before a login messages have a bound of their own; a renewed one must not hold up requests while a provider is asked.
      if (login.principalBefore !== undefined) login.admission?.release();
      return step
        .finally(() => {
          login.stage = 'exchange';
        })
        .then(taken)
        .catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  #takeStep(step: LoginStep, login: Login, sasl: SaslSettings, connection: ConnectionContext): Answered {
    if (!step.isDone) return { challenge: step.challenge, lifetimeMs: 0 };
    const principal = `User:${step.user}`;
    const fault = faultOfName(step.user);
    if (fault !== undefined) throw new LoginRefused(`its name ${fault}`);
    const { principalBefore, mechanism } = login;
    if (principalBefore !== undefined && principalBefore !== principal) {
      const dotted = (name: string): string => name.replace(':', '.');
      const shown = `Cannot change principals during re-authentication from ${dotted(principalBefore)}: ${dotted(principal)}`;
      throw new LoginRefused(shown, shown);
    }
    const nowMs = this.#options.clock.now();
    const lifetimeMs = lifetimeOf(step, sasl.mechanisms.get(mechanism)?.sessionMsMax ?? 0, nowMs);
    login.stage = 'done';
    login.exchange = undefined;
    connection.principal = principal;
    const expiresAtMs = lifetimeMs > 0 ? nowMs + lifetimeMs : undefined;
    const { isByToken = false } = step;
    connection.authentication = { stage: 'done', mechanism, expiresAtMs, isByToken };
    const isFirst = principalBefore === undefined;
    this.#count(
      isFirst ? 'successful_authentication_total' : 'successful_reauthentication_total',
      'Logins that succeeded',
      connection,
    );
    return { challenge: step.challenge, lifetimeMs };
  }

  /** Another API in the middle of a login: those whose answers have a place for it are told so. */
  #answerIllegalState(
    frame: Buffer,
    header: RequestHeader,
    sasl: SaslSettings,
    connection: ConnectionContext,
  ): Promise<Frame> {
    const { apiKey, apiVersion, correlationId } = header;
    const reason = `a request with API key ${apiKey} came in the middle of its login`;
    const errorCode = ErrorCode.ILLEGAL_SASL_STATE;
    if (apiKey === ApiVersions.key && apiVersion <= LAST_API_VERSIONS_VERSION) {
      const answer = encodeResponse(ApiVersions, apiVersion, correlationId, { errorCode, apiKeys: [] });
      return this.#failLate(answer, reason, sasl, connection);
    }
    if (apiKey === SaslHandshake.key && apiVersion <= LAST_HANDSHAKE_VERSION) {
      const answer = encodeResponse(SaslHandshake, apiVersion, correlationId, { errorCode, mechanisms: [] });
      return this.#failLate(answer, reason, sasl, connection);
    }
    // kafkajs takes the refusal of a token for a login that succeeded, and asks for its topics next: it is told there.
    if (apiKey === Metadata.key && apiVersion <= LAST_METADATA_VERSION && frame.length <= METADATA_BYTES_MAX) {
      return this.#failLate(metadataRefused(frame, header, errorCode), reason, sasl, connection);
    }
    return this.#endLate(reason, sasl, connection);
  }

  /** Answers after a while, so that guessing takes long, and closes the connection with the answer. */
  async #failLate(answer: Frame, reason: string, sasl: SaslSettings, connection: ConnectionContext): Promise<Frame> {
    await this.#noteFailure(reason, sasl, connection);
    connection.disconnect(`its login failed: ${reason}`);
    return answer;
  }

  async #endLate(reason: string, sasl: SaslSettings, connection: ConnectionContext): Promise<never> {
    await this.#noteFailure(reason, sasl, connection);
    throw refusal(reason);
  }

  #noteFailure(why: string, { failureDelayMs }: SaslSettings, connection: ConnectionContext): Promise<void> {
    const reason = loggable(why);
    const { clock } = this.#options;
    const { clientHost, clientPort, listenerName } = connection;
    this.#count('failed_authentication_total', 'Logins that failed', connection);
    this.#failures.info(
      { audit: 'authentication', listener: listenerName, clientHost, clientPort, reason },
      `Failed authentication with ${clientHost}:${clientPort} on ${listenerName}: ${reason}`,
    );
    // Whoever fails waits for his answer without a place among the requests that are worked on.
    this.#logins.get(connection)?.admission?.release();
    connection.restFor(failureDelayMs);
    return new Promise((resolve) => void clock.schedule(failureDelayMs, resolve));
  }

  #count(name: string, help: string, { listenerName }: ConnectionContext): void {
    this.#options.metrics.counter(`kafka_server_socketservermetrics_${name}`, help, { listener: listenerName }).add(1);
  }
}

/** No login outlives what it was made with, nor what the settings allow; 0 where neither ends. */
function lifetimeOf({ expiresAtMs }: { readonly expiresAtMs?: number }, sessionMsMax: number, nowMs: number): number {
  if (expiresAtMs === undefined) return sessionMsMax;
  // One that has ended within the allowed difference of the clocks holds for a moment: 0 would mean for ever.
  const restMs = Math.max(Math.trunc(expiresAtMs - nowMs), 1);
  return sessionMsMax > 0 ? Math.min(restMs, sessionMsMax) : restMs;
}

function newLogin(): Login {
  return {
    stage: 'begun',
    hasAskedVersions: false,
    mechanism: '',
    exchange: undefined,
    isBare: false,
    admission: undefined,
    principalBefore: undefined,
  };
}

/** One question for the versions is for the handlers; one in a version that is not known leads to another. */
function askVersions({ apiVersion }: RequestHeader, login: Login): undefined {
  if (login.hasAskedVersions) throw refusal('it asks for versions twice before its login');
  login.hasAskedVersions = apiVersion >= 0 && apiVersion <= LAST_API_VERSIONS_VERSION;
  return undefined;
}

/** The answer of a Metadata in which each topic that it asks for is refused. */
function metadataRefused(
  frame: Buffer,
  { apiVersion, correlationId, bodyOffset }: RequestHeader,
  errorCode: number,
): Frame {
  const asked = decoded(() => Metadata.request.decode(Reader.ofRequest(frame, bodyOffset), apiVersion));
  const topics = (asked.topics ?? []).map(({ name, topicId }) => ({ errorCode, name, topicId, partitions: [] }));
  return encodeResponse(Metadata, apiVersion, correlationId, { brokers: [], controllerId: -1, topics });
}

function loggable(reason: string): string {
  const short = reason.length > REASON_LENGTH_MAX ? `${reason.slice(0, REASON_LENGTH_MAX)}...` : reason;
  return short.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
}

function headerOf(frame: Buffer): RequestHeader | undefined {
  try {
    return decodeRequestHeader(frame);
  } catch {
    return undefined;
  }
}

/** Errors of the codec could repeat what is in the frame, and there are passwords in it. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch {
    throw refusal('a message of its login does not decode');
  }
}

function hiddenReason({ principalBefore, mechanism }: Login): string {
  const when = principalBefore === undefined ? 'authentication' : 're-authentication';
  return `Authentication failed during ${when} due to invalid credentials with SASL mechanism ${mechanism}`;
}

function refusal(reason: string): BrokerFault {
  return new BrokerFault('BROKER_LOGIN_REFUSED', `The connection ends: ${reason}`);
}
