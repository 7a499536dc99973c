/** How a listener is secured; Kafka's names. */
export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';

/** Who a connection belongs to until it has authenticated; Kafka's `KafkaPrincipal.ANONYMOUS`. */
export const ANONYMOUS_PRINCIPAL = 'User:ANONYMOUS';

/** How far a connection's login is. */
export type AuthenticationState =
  /** No login is asked for: the listener has none, or TLS has done it. */
  | { readonly stage: 'none' }
  /** A mechanism was chosen, and its exchange is under way. */
  | { readonly stage: 'exchange'; readonly mechanism: string; readonly exchange: object }
  /** The client has logged in; its session ends at a time of the wall clock, or never. */
  | {
      readonly stage: 'done';
      readonly mechanism: string;
      readonly expiresAtMs: number | undefined;
      /** By a delegation token of somebody's, and not by what is his own. */
      readonly isByToken?: boolean;
    };

/** One client's connection, as request handlers see it. */
export interface ConnectionContext {
  /** Unique within the process. */
  readonly id: number;
  readonly clientHost: string;
  readonly clientPort: number;
  /** The address the client reached. */
  readonly serverHost: string;
  readonly serverPort: number;
  readonly listenerName: string;
  readonly securityProtocol: SecurityProtocol;
  /** `User:ANONYMOUS`, the distinguished name of a TLS client certificate, or what the SASL handler puts here. */
  principal: string;
  /** How far the login of this connection is. */
  authentication: AuthenticationState;
  /** False once the connection is closing or closed. */
  readonly open: boolean;
  /** Answers what is in flight, then closes; nothing more is read. For failed authentication, among others. */
  disconnect(reason: string): void;
  /**
   * Holds the connection back: for so long none of its requests is started and nothing more of it is read. What is in flight is
   * answered. For quotas and failed logins; a longer rest is not made shorter.
   */
  restFor(ms: number): void;
}

/** A connection as its listener shows it. */
export interface ListenerConnection extends ConnectionContext {
  /** Bytes held for this connection: requests whole or in part, and responses that the client has not taken. */
  readonly heldBytes: number;
  /** False while one of the bounds keeps the connection from being read. */
  readonly reading: boolean;
}

/** What one request holds, and its response. */
export interface RequestAdmission {
  /**
   * Says that the frame is no longer needed though the response is not ready: its bytes stop counting against the bounds.
   * A handler that waits for something (a long poll, a rebalance) calls this once it has decoded the request.
   */
  release(): void;
  /** Counts the memory that the request's decoded form takes, from now until it has been answered. */
  holdDecoded(bytes: number): void;
  /**
   * Asks whether the request may wait for something else than the broker's own work. False: so much waits already that it should
   * be answered as it stands.
   */
  park(): boolean;
  /**
   * Says how large the response would like to be, and how large it may be now; one record batch more is no harm. It counts from now
   * on until the response has left. The last call counts; 0 gives back what was taken.
   */
  reserveResponse(wantedBytes: number): number;
  /**
   * Has `done` called once nobody needs the response's bytes any more, so that the memory of its chunks may be used for something
   * else: when the system has taken them over, or the connection is gone. The last one given counts.
   */
  whenSent(done: () => void): void;
}

/** What a listener serves. */
export interface RequestHandler {
  /**
   * Answers one request. Called in the order of arrival; responses are sent in that order too, whichever is ready first.
   *
   * @param frame The request without its size prefix. It may be a view of a larger buffer: copy what is kept for long.
   * @returns The whole response frame (size prefix included) as a list of chunks, which must not change before they are
   *   sent; null when the request gets no response (Produce with acks=0). A rejection closes the connection.
   */
  handle(
    frame: Buffer,
    connection: ConnectionContext,
    admission: RequestAdmission,
  ): Promise<readonly Uint8Array[] | null> | readonly Uint8Array[] | null;
  /** Called once after a connection is gone. */
  connectionClosed?(connection: ConnectionContext): void;
}
