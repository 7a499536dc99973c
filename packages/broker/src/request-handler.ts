import type { ConnectionContext, RequestAdmission, RequestHandler } from '@millrace/network';
import {
  AllocateProducerIds,
  AlterPartition,
  ApiVersions,
  type ApiVersionsResponseInput,
  ControlledShutdown,
  decodeRequestHeader,
  ErrorCode,
  encodeResponse,
  encodeResponseInTurns,
  LeaderAndIsr,
  Produce,
  ProtocolError,
  Reader,
  type RequestHeader,
  StopReplica,
  UpdateMetadata,
  WriteTxnMarkers,
} from '@millrace/protocol';
import type { ApiHandler, RequestContext } from './handlers/handler.ts';
import { advertisedApis, handlerByKey } from './handlers/registry.ts';
import type { BrokerServices } from './handlers/services.ts';
import { CountedRequest, NO_QUOTA, type RequestQuota } from './quotas/request-quota.ts';
import type { LoginGate } from './security/login/login-gate.ts';
import {
  type AuthorizationPurpose,
  allowAll,
  authorizationFailed,
  CLUSTER,
  type Operation,
  type Resource,
  type ResourceType,
} from './shared/authorization.ts';
import { BrokerFault } from './shared/errors.ts';
import type { Histogram } from './shared/metrics.ts';
import type { Refusal } from './shared/refusal.ts';
import { inTurns, type Turns } from './shared/turns.ts';

type Frame = readonly Uint8Array[] | null;

/** What a handler makes of a decoded request, and its answer, take about three times as much again. */
const WORKING_FACTOR = 4;
/** An answer of so many structs is encoded in turns. */
const LONG_ANSWER_ELEMENTS = 2_000;
/** Requests with so many elements never give up their turn. */
const SHORT_REQUEST_ELEMENTS = 100;

/**
 * From those who may ask them they count for nobody: a cluster must go on whatever quotas its brokers' principal has. Who is refused is
 * held to his quotas, as with Kafka (`RequestHandlerHelper.handleError`).
 */
const REQUESTS_OF_BROKERS: ReadonlySet<number> = new Set(
  [
    LeaderAndIsr,
    StopReplica,
    UpdateMetadata,
    ControlledShutdown,
    AlterPartition,
    AllocateProducerIds,
    WriteTxnMarkers,
  ].map(({ key }) => key),
);

/** One request on its way through a handler. */
class Request implements RequestContext {
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly connection: ConnectionContext;
  readonly broker: BrokerServices;
  readonly counted: CountedRequest | undefined;
  /** How long the thread has worked on it until it first waited for something. */
  firstWorkMs = 0;
  /** A property, so that handlers may take it apart from the context. */
  readonly releaseRequest: () => void;
  readonly whenSent: (done: () => void) => void;
  readonly #admission: RequestAdmission;
  readonly #requestName: string;
  readonly #isOfBrokers: boolean;
  #turns: Turns | undefined;
  #elements = 0;

  constructor(
    requestName: string,
    header: RequestHeader,
    connection: ConnectionContext,
    admission: RequestAdmission,
    broker: BrokerServices,
  ) {
    this.#requestName = requestName;
    this.#isOfBrokers = REQUESTS_OF_BROKERS.has(header.apiKey);
    this.version = header.apiVersion;
    this.correlationId = header.correlationId;
    this.clientId = header.clientId;
    this.connection = connection;
    this.releaseRequest = () => admission.release();
    this.whenSent = (done) => admission.whenSent(done);
    this.broker = broker;
    this.counted = countedRequest(header, connection, broker);
    this.#admission = admission;
  }

  get quota(): RequestQuota {
    return this.counted ?? NO_QUOTA;
  }

  /** How long the thread has worked on it, waits left out, as far as it is known: what comes behind other waits than for a turn is not. */
  get workMs(): number {
    return this.firstWorkMs + this.laterWorkMs;
  }

  get laterWorkMs(): number {
    return this.#turns?.laterMs ?? 0;
  }

  mayWait(): boolean {
    return this.#admission.park();
  }

  reserveResponse(wantedBytes: number): number {
    return this.#admission.reserveResponse(wantedBytes);
  }

  authorize(operation: Operation, resource: Resource, references?: () => number): Refusal | undefined {
    return this.#decide(operation, resource, 'access', references) ? undefined : authorizationFailed(resource);
  }

  isAllowed(operation: Operation, resource: Resource, purpose: AuthorizationPurpose = 'filter'): boolean {
    return this.#decide(operation, resource, purpose);
  }

  isAllowedForAny(operation: Operation, type: ResourceType): boolean {
    const { principal, clientHost } = this.connection;
    const asker = { principal, clientHost, requestName: this.#requestName };
    return this.broker.authorizer.isAllowedForAny(asker, operation, type);
  }

  #decide(operation: Operation, resource: Resource, purpose: AuthorizationPurpose, references?: () => number): boolean {
    const { authorizer } = this.broker;
    const { principal, clientHost } = this.connection;
    const requestName = this.#requestName;
    const isAllowed =
      authorizer === allowAll ||
      authorizer.isAllowed({ principal, clientHost, requestName, operation, resource, purpose, references });
    if (isAllowed && this.#isOfBrokers) this.counted?.exempt();
    return isAllowed;
  }

  pause(): Promise<void> | undefined {
    // Most requests have few elements, and need no watch.
    this.#elements += 1;
    if (this.#elements <= SHORT_REQUEST_ELEMENTS) return undefined;
    this.#turns ??= this.broker.turns.begin();
    return this.#turns.pause()?.then(() => this.#checkThatSomebodyWaits());
  }

  #checkThatSomebodyWaits(): void {
    if (this.connection.open) return;
    throw new BrokerFault('BROKER_CLIENT_GONE', 'The client has gone before its request was done');
  }
}

/**
 * Serves requests: finds the handler of the API, decodes the body, encodes the answer. What no Kafka client sends (an API
 * or a version that was not advertised, a body that does not decode) closes the connection, as in Kafka; the listener
 * logs the reason.
 */
export class BrokerRequestHandler implements RequestHandler {
  readonly #services: BrokerServices;
  readonly #gate: LoginGate;
  readonly #latencies = new Map<number, Histogram>();

  constructor(services: BrokerServices, gate: LoginGate) {
    this.#services = services;
    this.#gate = gate;
    for (const [key, handler] of handlerByKey) {
      this.#latencies.set(
        key,
        services.metrics.histogram(
          'kafka_network_requestmetrics_totaltimems',
          'Milliseconds from a request to its response, waiting included',
          { request: handler.api.name },
        ),
      );
    }
  }

  handle(frame: Buffer, connection: ConnectionContext, admission: RequestAdmission): Promise<Frame> | Frame {
    const login = this.#gate.handle(frame, connection, admission);
    if (login !== undefined) return login;
    const header = headerOf(frame);
    const handler = handlerByKey.get(header.apiKey);
    if (handler === undefined) {
      throw new BrokerFault(
        'BROKER_UNKNOWN_API',
        `Request with API key ${header.apiKey}, which this broker does not serve`,
      );
    }
    if (header.apiVersion < handler.minVersion || header.apiVersion > handler.maxVersion) {
      return answerUnsupported(handler, header);
    }
    const startMs = this.#services.clock.monotonic();
    const context = new Request(handler.api.name, header, connection, admission, this.#services);
    const answer = refusedFirst(handler, context) ?? decodedAndHandled(handler, frame, header, admission, context);
    if (context.counted !== undefined) context.firstWorkMs = this.#services.clock.monotonic() - startMs;
    const producedBytes = header.apiKey === Produce.key ? frame.length : 0;
    if (!(answer instanceof Promise)) return this.#finish(handler, context, producedBytes, answer, startMs);
    return answer.then((response) => this.#finish(handler, context, producedBytes, response, startMs));
  }

  connectionClosed(connection: ConnectionContext): void {
    this.#services.fetchWaits.connectionClosed(connection);
  }

  #finish(
    handler: ApiHandler,
    request: Request,
    producedBytes: number,
    response: unknown,
    startMs: number,
  ): Promise<Frame> | Frame {
    const nowMs = this.#services.clock.monotonic();
    this.#latencies.get(handler.api.key)?.observe(nowMs - startMs);
    const { counted, connection } = request;
    if (counted === undefined) return response === null ? null : encodeAnswer(handler, request, response);
    // Who wants no answer is told of no quota, and counts for his bytes alone.
    const workMs = response === null ? 0 : request.workMs;
    const throttleTimeMs = counted.settle({ workMs, producedBytes });
    // The answer goes out at once, and the connection rests then (KIP-219).
    if (throttleTimeMs > 0) connection.restFor(throttleTimeMs);
    if (response === null) return null;
    const laterMs = request.laterWorkMs;
    const settledMs = this.#services.clock.monotonic();
    // An answer is an object, whatever the API.
    const frame =
      throttleTimeMs === 0
        ? encodeAnswer(handler, request, response)
        : encodeThrottled(handler, request, response as object, throttleTimeMs);
    const firstMs = this.#services.clock.monotonic() - settledMs;
    if (!(frame instanceof Promise)) {
      counted.answered(firstMs);
      return frame;
    }
    return frame.then((encoded) => {
      counted.answered(firstMs + request.laterWorkMs - laterMs);
      return encoded;
    });
  }
}

/** Encodes an answer, a long one in turns: one of some megabytes would take a tenth of a second in one go. */
function encodeAnswer({ api }: ApiHandler, request: Request, response: unknown): Promise<Frame> | Frame {
  const { version, correlationId } = request;
  if (api.response.encodeInTurns === undefined || countedElements(response, LONG_ANSWER_ELEMENTS) > 0) {
    return encodeResponse(api, version, correlationId, response);
  }
  return inTurns(encodeResponseInTurns(api, version, correlationId, response), () => request.pause());
}

/** What is left of a number when the structs of an answer are taken off, down to 0: long answers need not be counted to their end. */
function countedElements(value: unknown, left: number): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return left;
  if (Array.isArray(value)) {
    // What an array holds is alike: numbers need no look at each.
    if (typeof value[0] !== 'object') return left;
    if (value.length >= left) return 0;
    let rest = left - value.length;
    for (let index = 0; index < value.length && rest > 0; index += 1) rest = countedElements(value[index], rest);
    return rest;
  }
  let rest = left;
  // An object, as was just seen.
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    const field = fields[name];
    if (typeof field === 'object' && field !== null && rest > 0) rest = countedElements(field, rest);
  }
  return rest;
}

/** The first versions of most APIs have no place for the time: their clients learn of it by waiting. */
async function encodeThrottled(
  handler: ApiHandler,
  request: Request,
  response: object,
  throttleTimeMs: number,
): Promise<Frame> {
  try {
    return await encodeAnswer(handler, request, { ...response, throttleTimeMs });
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== 'PROTOCOL_FIELD_NOT_IN_VERSION') throw error;
    return encodeAnswer(handler, request, response);
  }
}

/** Undefined where nobody has quotas, and for what belongs to a login. */
function countedRequest(
  { clientId }: RequestHeader,
  { principal, authentication, securityProtocol }: ConnectionContext,
  { quotas }: BrokerServices,
): CountedRequest | undefined {
  if (!quotas.isOn) return undefined;
  const isBeforeLogin = securityProtocol.startsWith('SASL_') && authentication.stage !== 'done';
  if (isBeforeLogin) return undefined;
  const user = principal.slice(principal.indexOf(':') + 1);
  return new CountedRequest(quotas, { user, clientId: clientId ?? '' });
}

/** The answer to who may not have the request decoded; undefined where he may. */
function refusedFirst({ askedFirst }: ApiHandler, context: RequestContext): unknown {
  const refusal = askedFirst && context.authorize(askedFirst.operation, CLUSTER);
  return refusal && askedFirst.refused(refusal.errorCode);
}

function decodedAndHandled(
  handler: ApiHandler,
  frame: Buffer,
  header: RequestHeader,
  admission: RequestAdmission,
  context: RequestContext,
): unknown {
  const reader = Reader.ofRequest(frame, header.bodyOffset, handler.decodedBytesMax, handler.denseBytesMax);
  const body = bodyOf(handler, reader, header);
  admission.holdDecoded(reader.decodedBytes * WORKING_FACTOR);
  return handler.handle(body, context);
}

function headerOf(frame: Buffer): RequestHeader {
  try {
    return decodeRequestHeader(frame);
  } catch (cause) {
    throw malformed('a request whose header does not decode', cause);
  }
}

/**
 * Bytes behind the body are not looked at, as in Kafka: librdkafka 2.x asks for all topics in Metadata v12 with a null array
 * that it writes three bytes too long.
 */
function bodyOf(handler: ApiHandler, reader: Reader, header: RequestHeader): unknown {
  try {
    return handler.api.request.decode(reader, header.apiVersion);
  } catch (cause) {
    throw malformed(`${handler.api.name} v${header.apiVersion}, and its body does not decode`, cause);
  }
}

function malformed(what: string, cause: unknown): BrokerFault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  // Not as a cause as well: loggers write those behind the message, which would say it twice.
  return new BrokerFault('BROKER_MALFORMED_REQUEST', `The client sent ${what}: ${reason}`);
}

/**
 * A client cannot know which versions of ApiVersions a broker has, so one that is too new is answered in the layout that
 * every client can read (KIP-511). Any other API's versions could have been known: the connection is closed.
 */
function answerUnsupported(handler: ApiHandler, header: RequestHeader): Frame {
  if (header.apiKey !== ApiVersions.key) {
    throw new BrokerFault(
      'BROKER_UNSUPPORTED_VERSION',
      `Request ${handler.api.name} v${header.apiVersion}; this broker serves v${handler.minVersion} to v${handler.maxVersion}`,
    );
  }
  const body: ApiVersionsResponseInput = { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: advertisedApis };
  return encodeResponse(ApiVersions, 0, header.correlationId, body);
}
