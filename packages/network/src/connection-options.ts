import type { Clock, Logger, Random } from '@millrace/ports';
import type { SaslOptions } from './sasl/mechanism.ts';
import type { TlsSettings, TlsSource } from './tls-settings.ts';

/** How a {@link Connection} is made. All but `host` and `port` have defaults. */
export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** The name brokers log and count this client by. Default `millrace`. */
  readonly clientId?: string | undefined;
  /**
   * `true` for TLS with the system's certificate authorities, what `node:tls` takes, or a function that gives one of both: it is asked for
   * every connection, so that certificates may change. Default plaintext.
   */
  readonly tls?: TlsSettings | TlsSource | false | undefined;
  /** How to authenticate. Default not at all. */
  readonly sasl?: SaslOptions | undefined;
  /** Whether the port is known to be content with this, so that no guess is made when the broker hangs up. Default false. */
  readonly isLoginKnown?: boolean | undefined;
  /** Until the connection is ready, TLS, version negotiation and authentication included. Default 10000. */
  readonly connectTimeoutMs?: number | undefined;
  /** For each request that does not bring its own. Default 30000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Requests whose response is awaited; more are queued. Default 64. */
  readonly inFlightRequestsMax?: number | undefined;
  /** Requests queued behind those; more are refused with `TooManyRequestsError`. Default 1024. */
  readonly queuedRequestsMax?: number | undefined;
  /** The largest response, in bytes. Default 256 MiB. */
  readonly responseBytesMax?: number | undefined;
  /**
   * How long a broker may send nothing at all after a request has timed out, before the connection is given up. Until then a
   * late response is recognised and dropped. Default 15000.
   */
  readonly unresponsiveMsMax?: number | undefined;
  /** Gives up connecting. */
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
}

/** How one request is sent. */
export interface SendOptions {
  /** Default the connection's `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Rejects the request at once; its response is dropped when it comes. */
  readonly signal?: AbortSignal | undefined;
  /** With version `auto`: no version above this. */
  readonly versionMax?: number | undefined;
  /** With version `auto`: no version below this; for requests that need what a version brought. */
  readonly versionMin?: number | undefined;
}

/** A range of versions of one API, both ends included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}
