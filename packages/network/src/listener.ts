import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket, TlsOptions, Server as TlsServer } from 'node:tls';
import {
  type Clock,
  type Logger,
  listenFault,
  silentLogger,
  systemClock,
  type Timer,
  withLineBudget,
} from '@millrace/ports';
import { type AdmittingListener, type Candidate, ConnectionAdmission } from './connection-admission.ts';
import type { ListenerConnection, RequestHandler, SecurityProtocol } from './connection-context.ts';
import { ListenError } from './errors.ts';
import { Newcomers } from './newcomers.ts';
import { nodeTls } from './node-tls.ts';
import { plainHost } from './peer-host.ts';
import { RequestMemory, type RequestMemoryStats } from './request-memory.ts';
import { ResponseMemory, type ResponseMemoryStats } from './response-memory.ts';
import {
  type ConnectionCounters,
  ServerConnection,
  type ServerConnectionHost,
  type ServerConnectionLimits,
} from './server-connection.ts';
import { certificateName } from './tls-principal.ts';
import { TurnShare } from './turn-share.ts';

/** How a {@link Listener} is set up. Everything but `handler` has a default. */
export interface ListenerOptions {
  /** Answers the requests. */
  handler: RequestHandler;
  /** Address to bind; default all addresses of the machine. */
  host?: string | undefined;
  /** Port to bind; 0 (default) lets the system choose. */
  port?: number | undefined;
  /** The listener's name as in `listeners`; default the security protocol. */
  name?: string | undefined;
  /** Default `SSL` with `tls`, `PLAINTEXT` without. */
  securityProtocol?: SecurityProtocol | undefined;
  /** Key, certificate, client authentication as `node:tls` takes them. Given: the listener speaks TLS. */
  tls?: TlsOptions | undefined;
  /** Largest request, in bytes (`socket.request.max.bytes`). Default 104857600. */
  requestBytesMax?: number | undefined;
  /** Largest message before the login, on listeners with SASL (`sasl.server.max.receive.size`). Default 524288. */
  loginBytesMax?: number | undefined;
  /** How long a TLS handshake, and a login, may take before the connection is closed. Default 30000. */
  loginMsMax?: number | undefined;
  /** TLS handshakes and logins that may be under way; beyond it the address with the most of them gives way. Default 1000. */
  newcomersMax?: number | undefined;
  /** The bound on requests of connections that have not logged in; Default: its own of 16 MiB. */
  loginMemory?: RequestMemory | undefined;
  /** Whether clients must show a certificate (`ssl.client.auth`): not, if they have one, or always. Default: as `tls` says. */
  clientAuth?: 'none' | 'requested' | 'required' | undefined;
  /** Makes a principal's name of a certificate's; undefined refuses whoever has shown it. Default: the name itself. */
  principalOf?: ((distinguishedName: string) => string | undefined) | undefined;
  /** Requests of one connection in handlers at once; reading stops there. Default 32. */
  inFlightRequestsMax?: number | undefined;
  /** Bytes of one connection's requests in handlers at once; one request is always let in. Default 16 MiB. */
  inFlightRequestBytesMax?: number | undefined;
  /** The bound over all connections; share one between listeners. Default: its own of 256 MiB. */
  memory?: RequestMemory | undefined;
  /** The bound on responses over all connections; share one between listeners. Default: its own of 256 MiB. */
  responses?: ResponseMemory | undefined;
  /** Bytes of responses that a client has not taken; above it no more of its requests are started or read. Default 1 MiB. */
  unsentResponseBytesMax?: number | undefined;
  /**
   * API keys of which a connection has one request at a time in handlers, and only when its earlier responses have left,
   * because their responses are large. Default: Fetch (1).
   */
  serialApiKeys?: Iterable<number> | undefined;
  /** A connection without traffic for this long is closed (`connections.max.idle.ms`). Default 600000. */
  idleMsMax?: number | undefined;
  /** Lets connections in; share one between listeners. Default: there are no limits but the system's. */
  admission?: ConnectionAdmission | undefined;
  /** Connections the system holds ready to be accepted (`socket.listen.backlog.size`). Default 511. */
  backlog?: number | undefined;
  /** Gives the buffer of a request that spans chunks of the socket; for memory shared with workers. */
  allocateFrame?: ((bytes: number) => Buffer) | undefined;
  clock?: Clock | undefined;
  /** Default silent. */
  logger?: Logger | undefined;
}

/** A listener's counters since its start, and its present state. */
export interface ListenerStats {
  readonly connectionsOpen: number;
  readonly connectionsAccepted: number;
  /** Turned away because too many came from their address, or too many waited. */
  readonly connectionsRefused: number;
  readonly connectionsClosedIdle: number;
  readonly tlsHandshakesFailed: number;
  /** TLS handshakes and logins that are under way. */
  readonly newcomers: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly requests: number;
  readonly requestsInFlight: number;
  readonly memory: RequestMemoryStats;
  readonly responses: ResponseMemoryStats;
}

const REQUEST_BYTES_MAX = 104_857_600;
const LOGIN_BYTES_MAX = 524_288;
const LOGIN_MS_MAX = 30_000;
const NEWCOMERS_MAX = 1000;
/** What those may send before they have logged in, all together: hundreds of times what honest logins take. */
const NEWCOMER_BYTES_MAX = 16 * 1024 * 1024;
const IN_FLIGHT_REQUESTS_MAX = 32;
const IN_FLIGHT_REQUEST_BYTES_MAX = 16 * 1024 * 1024;
const UNSENT_RESPONSE_BYTES_MAX = 1024 * 1024;
const IDLE_MS_MAX = 600_000;
const BACKLOG = 511;
const FETCH_API_KEY = 1;
const CLOSE_GRACE_MS = 5_000;

/** The sweep for connections that are idle or stand in the way runs at most this often and at least this often. */
const SWEEP_MS_MIN = 100;
const SWEEP_MS_MAX = 1_000;

let connectionIdLast = 0;

/** There is one event loop, so all listeners of the process share its turns. It is measured in real time whatever clock is given. */
const turns = new TurnShare(() => systemClock.monotonic());

/** A listening socket that speaks Kafka's framing: accepts connections, hands requests to the handler, sends answers in order. */
export class Listener {
  readonly name: string;
  readonly securityProtocol: SecurityProtocol;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  /** Takes over from `#server` once a connection is let in. */
  readonly #tlsServer: TlsServer | undefined;
  readonly #newcomers: Newcomers;
  readonly #newcomersMax: number;
  readonly #admission: ConnectionAdmission;
  readonly #admitting: AdmittingListener;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #host: ServerConnectionHost;
  readonly #idleMsMax: number;
  readonly #connections = new Set<ServerConnection>();
  readonly #sockets = new Set<Socket>();
  readonly #counters: ConnectionCounters = { bytesIn: 0, bytesOut: 0, requests: 0, requestsInFlight: 0 };
  #accepted = 0;
  #refused = 0;
  #closedIdle = 0;
  #tlsFailed = 0;
  #sweep: Timer | undefined;
  #closing: Promise<void> | undefined;
  #settled: ((connection: ServerConnection) => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.securityProtocol = options.securityProtocol ?? (options.tls === undefined ? 'PLAINTEXT' : 'SSL');
    this.name = options.name ?? this.securityProtocol;
    this.#clock = options.clock ?? systemClock;
    this.#logger = withLineBudget(options.logger ?? silentLogger, this.#clock, 'warn');
    this.#idleMsMax = options.idleMsMax ?? IDLE_MS_MAX;
    this.#host = {
      listenerName: this.name,
      securityProtocol: this.securityProtocol,
      limits: limitsOf(options),
      handler: options.handler,
      memory: options.memory ?? new RequestMemory(),
      loginMemory: options.loginMemory ?? newcomerMemory(),
      responses: options.responses ?? new ResponseMemory(),
      turns,
      counters: this.#counters,
      clock: this.#clock,
      logger: this.#logger,
      allocateFrame: options.allocateFrame,
      connectionFlushed: (connection) => this.#settled?.(connection),
      connectionKnown: ({ clientHost, clientPort }) => this.#newcomers.end(clientHost, clientPort),
      connectionGone: (connection) => this.#forget(connection),
    };
    this.#newcomersMax = options.newcomersMax ?? NEWCOMERS_MAX;
    this.#newcomers = new Newcomers(this.#newcomersMax);
    this.#admission = options.admission ?? new ConnectionAdmission({ clock: this.#clock, logger: this.#logger });
    this.#admitting = { name: this.name, closeStillest: () => this.#closeStillest() };
    this.#tlsServer = options.tls === undefined ? undefined : this.#newTlsServer(options.tls);
    this.#server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) =>
      this.#arrived(socket),
    );
  }

  #newTlsServer(tls: TlsOptions): TlsServer {
    const server = nodeTls().createServer({ ...handshakenOnce(tls), ...certificateOptions(this.#options) });
    server.on('secureConnection', (socket) => this.#acceptSecure(socket));
    server.on('tlsClientError', (error, socket) => this.#tlsClientFailed(error, socket));
    return server;
  }

  /**
   * Binds and starts to accept.
   * @returns The address that was bound; the port is the system's choice where 0 was asked for.
   * @throws ListenError when the address is in use or cannot be bound.
   */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port = 0, backlog = BACKLOG } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenError(this.name, host, port, error));
      this.#server.once('error', onError);
      this.#server.listen({ host, port, backlog }, () => {
        this.#server.off('error', onError);
        this.#server.on('error', (error) => {
          this.#logger.error({ listener: this.name, err: error }, `Listener ${this.name} failed: ${error.message}`);
        });
        this.#admission.open(this.#admitting);
        this.#scheduleSweep();
        resolve(this.address);
      });
    });
  }

  /** The bound address. */
  get address(): { host: string; port: number } {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') {
      return { host: this.#options.host ?? '', port: this.#options.port ?? 0 };
    }
    return { host: address.address, port: address.port };
  }

  /** The connections that are open now. */
  connections(): Iterable<ListenerConnection> {
    return this.#connections.values();
  }

  stats(): ListenerStats {
    return {
      connectionsOpen: this.#connections.size,
      connectionsAccepted: this.#accepted,
      connectionsRefused: this.#refused,
      connectionsClosedIdle: this.#closedIdle,
      tlsHandshakesFailed: this.#tlsFailed,
      newcomers: this.#newcomers.count,
      ...this.#counters,
      memory: this.#host.memory.stats(),
      responses: this.#host.responses.stats(),
    };
  }

  /** Takes a new key and certificate for the connections to come; those that are open keep theirs. */
  updateTls(tls: TlsOptions): void {
    this.#tlsServer?.setSecureContext(handshakenOnce(tls));
  }

  /**
   * Stops accepting and reading, lets requests in flight be answered, then closes all connections.
   * @param graceMs How long the answers may take, in milliseconds; then connections are cut. Default 5000.
   */
  close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#admission.close(this.#admitting);
    await this.#answerAll(graceMs);
    this.#sweep?.cancel();
    for (const connection of this.#connections) {
      connection.destroy();
    }
    // Those in a TLS handshake are no connections yet.
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await stopped;
  }

  /** Resolves when every connection has been answered and has handed its bytes over, or the grace time is up. */
  #answerAll(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const unanswered = new Set(this.#connections);
      const deadline = this.#clock.schedule(graceMs, () => {
        // Who gives no time wants them cut.
        if (graceMs > 0) {
          this.#logger.warn(
            { listener: this.name, connections: unanswered.size },
            `Listener ${this.name}: connections that are not answered after ${graceMs} ms are cut: ${unanswered.size}`,
          );
        }
        resolve();
      });
      const settle = (connection?: ServerConnection): void => {
        if (connection !== undefined) unanswered.delete(connection);
        if (unanswered.size === 0) {
          deadline.cancel();
          resolve();
        }
      };
      this.#settled = settle;
      for (const connection of unanswered) {
        connection.finish();
      }
      settle();
    });
  }

  /** Has a connection wait until it may be let in: nothing is read of it until then, and no TLS handshake costs anything. */
  #arrived(socket: Socket): void {
    const address = plainHost(socket.remoteAddress);
    // One that is gone before its turn ends in this way.
    socket.on('error', () => {});
    if (this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const candidate: Candidate = {
      address,
      admit: () => this.#admit(socket),
      refuse: (reason) => {
        this.#refused += 1;
        const fields = { listener: this.name, clientHost: address, clientPort: socket.remotePort };
        this.#logger.warn(fields, `Refusing connection of ${address}: ${reason}`);
        refused = true;
        socket.destroy();
      },
    };
    let refused = false;
    let hasCome = false;
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (hasCome) this.#admission.left(this.#admitting, candidate);
    });
    this.#admission.arrive(this.#admitting, candidate);
    hasCome = !refused;
  }

  #admit(socket: Socket): void {
    const isNewcomer = this.#tlsServer !== undefined || this.securityProtocol.startsWith('SASL_');
    if (isNewcomer && !this.#welcome(socket)) return;
    if (this.#tlsServer !== undefined) {
      this.#tlsServer.emit('connection', socket);
      return;
    }
    this.#accept(socket);
    socket.resume();
  }

  /** Counts one that has still to say who he is; false where there are so many that he has to go. */
  #welcome(socket: Socket): boolean {
    const { remotePort = 0 } = socket;
    const address = plainHost(socket.remoteAddress);
    const inTheWay = this.#newcomers.begin(socket, address, remotePort, this.#clock.monotonic());
    if (inTheWay !== undefined) {
      const client = `${plainHost(inTheWay.remoteAddress)}:${inTheWay.remotePort ?? 0}`;
      const reason = `${this.#newcomersMax} connections have still to say who they are, most of them of its address`;
      this.#logger.warn({ listener: this.name, reason }, `Closing connection of ${client}: ${reason}`);
      inTheWay.destroy();
    }
    if (inTheWay === socket) return false;
    socket.once('close', () => this.#newcomers.end(address, remotePort));
    return true;
  }

  #accept(socket: Socket): ServerConnection | undefined {
    if (socket.destroyed || this.#closing !== undefined) {
      socket.destroy();
      return undefined;
    }
    this.#accepted += 1;
    connectionIdLast += 1;
    const connection = new ServerConnection(connectionIdLast, socket, this.#host);
    this.#connections.add(connection);
    return connection;
  }

  #acceptSecure(socket: TLSSocket): void {
    if (this.securityProtocol === 'SSL') this.#newcomers.end(plainHost(socket.remoteAddress), socket.remotePort ?? 0);
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined && !socket.authorized && this.#options.clientAuth !== undefined) {
      this.#tlsRefused(socket, untrustedBecause(socket) ?? 'its certificate is not trusted');
      return;
    }
    // With SASL, the certificate was only checked: who somebody is, his login says.
    const isNamed = certificate !== undefined && socket.authorized && this.securityProtocol === 'SSL';
    const subject = isNamed ? certificateName(certificate.raw) : undefined;
    if (isNamed && subject === undefined) {
      this.#tlsRefused(socket, 'the subject of its certificate cannot be read');
      return;
    }
    const name = subject === undefined ? undefined : (this.#options.principalOf ?? itself)(subject);
    if (subject !== undefined && name === undefined) {
      this.#tlsRefused(socket, `no rule of ssl.principal.mapping.rules applies to its certificate, ${subject}`);
      return;
    }
    const connection = this.#accept(socket);
    if (connection !== undefined && name !== undefined) connection.principal = `User:${name}`;
  }

  #tlsRefused(socket: TLSSocket, reason: string): void {
    this.#tlsFailed += 1;
    const client = clientOf(socket);
    this.#logger.warn({ listener: this.name, reason }, `Closing connection of ${client}: ${reason}`);
    socket.on('error', () => {});
    socket.destroy();
  }

  #tlsClientFailed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    this.#tlsFailed += 1;
    const client = clientOf(socket);
    // Node has hung up by itself then, and says no more than that.
    const untrusted = untrustedBecause(socket);
    const plaintext = error.code === 'ERR_SSL_WRONG_VERSION_NUMBER' || error.code === 'ERR_SSL_HTTP_REQUEST';
    const hint = plaintext ? '. The client speaks plaintext: set security.protocol=SSL (or SASL_SSL) in it' : '';
    const failed = `TLS handshake with ${client} failed`;
    const reason = untrusted ?? `${error.message.trim()}${hint}`;
    this.#logger.warn({ listener: this.name, code: error.code }, `${failed}: ${reason}`);
    this.#logger.debug({ listener: this.name, err: error }, failed);
    socket.destroy();
  }

  #closeStillest(): boolean {
    let stillest: ServerConnection | undefined;
    for (const connection of this.#connections) {
      if (connection.open && (stillest === undefined || connection.activeMs < stillest.activeMs)) stillest = connection;
    }
    stillest?.evict('max.connections is reached, and another broker needs its place');
    return stillest !== undefined;
  }

  #forget(connection: ServerConnection): void {
    if (this.#connections.delete(connection)) {
      this.#settled?.(connection);
      this.#options.handler.connectionClosed?.(connection);
    }
  }

  /** One timer looks after all connections, however many there are. */
  #scheduleSweep(): void {
    const everyMs = Math.min(Math.max(this.#idleMsMax / 10, SWEEP_MS_MIN), SWEEP_MS_MAX);
    this.#sweep = this.#clock.schedule(everyMs, () => {
      const nowMs = this.#clock.monotonic();
      for (const connection of this.#connections) {
        this.#closedIdle += connection.closeIfIdle(nowMs, this.#idleMsMax) ? 1 : 0;
      }
      this.#admission.sweep();
      this.#host.memory.sweep();
      this.#host.loginMemory.sweep();
      this.#host.responses.sweep();
      this.#scheduleSweep();
    });
  }
}

/** Who is at the other end of a TLS socket, also when it has been closed: then only the plain socket below it knows. */
function clientOf(socket: TLSSocket): string {
  // Node keeps that socket in a field that its types do not have; without it the address is unknown.
  const { _parent: plain } = socket as TLSSocket & { readonly _parent?: Socket };
  const { remoteAddress, remotePort } = socket.remoteAddress === undefined && plain ? plain : socket;
  return `${plainHost(remoteAddress)}:${remotePort ?? 0}`;
}

/** Why the client's certificate is not trusted; undefined where that is not what went wrong. */
function untrustedBecause({ authorizationError }: TLSSocket): string | undefined {
  // A code of OpenSSL's, though its type is an error's.
  const code = authorizationError === null || authorizationError === undefined ? '' : String(authorizationError);
  if (code === '') return undefined;
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired';
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet';
  return `its certificate is not trusted: ${code}`;
}

function limitsOf(options: ListenerOptions): ServerConnectionLimits {
  return {
    requestBytesMax: options.requestBytesMax ?? REQUEST_BYTES_MAX,
    loginBytesMax: options.loginBytesMax ?? LOGIN_BYTES_MAX,
    loginMsMax: options.loginMsMax ?? LOGIN_MS_MAX,
    inFlightRequestsMax: options.inFlightRequestsMax ?? IN_FLIGHT_REQUESTS_MAX,
    inFlightRequestBytesMax: options.inFlightRequestBytesMax ?? IN_FLIGHT_REQUEST_BYTES_MAX,
    unsentResponseBytesMax: options.unsentResponseBytesMax ?? UNSENT_RESPONSE_BYTES_MAX,
    serialApiKeys: new Set(options.serialApiKeys ?? [FETCH_API_KEY]),
  };
}

/** The bound on what connections send before they have logged in: none of it takes anything from those that have. */
function newcomerMemory(): RequestMemory {
  return new RequestMemory(NEWCOMER_BYTES_MAX, NEWCOMERS_MAX);
}

function itself(name: string): string {
  return name;
}

/** Nobody shakes hands anew on an open connection, as with Kafka: it costs the server far more than the client. */
function handshakenOnce(tls: TlsOptions): TlsOptions {
  const { SSL_OP_NO_RENEGOTIATION } = process.getBuiltinModule('node:crypto').constants;
  return { ...tls, secureOptions: (tls.secureOptions ?? 0) | SSL_OP_NO_RENEGOTIATION };
}

/** What `ssl.client.auth` means to Node. Who shows a certificate though he need not is looked at after the handshake. */
function certificateOptions({ clientAuth, loginMsMax = LOGIN_MS_MAX }: ListenerOptions): TlsOptions {
  const handshakeTimeout = loginMsMax;
  if (clientAuth === undefined) return { handshakeTimeout };
  return { handshakeTimeout, requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'required' };
}

function listenError(name: string, host: string | undefined, port: number, error: NodeJS.ErrnoException): ListenError {
  const where = `${host ?? 'all addresses'}, port ${port}`;
  if (error.code === 'EADDRINUSE') {
    return new ListenError(
      'NETWORK_ADDRESS_IN_USE',
      `Cannot open listener ${name} on ${where}: another process listens there. Stop it, or choose another port: --port, or "listeners"`,
      error,
    );
  }
  const what = `Cannot open listener ${name} on ${where}: ${listenFault(error)}`;
  return new ListenError('NETWORK_LISTEN_FAILED', what, error);
}
