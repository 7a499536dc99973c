import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionOptions } from './connection-options.ts';
import { ConnectionError, type KafkaError, RequestAbortedError } from './errors.ts';
import { nodeTls } from './node-tls.ts';
import { refusedSettings, type TlsSettings } from './tls-settings.ts';

/** How a connection is made, with what a function was to give. */
export interface SettledOptions extends Omit<ConnectionOptions, 'tls'> {
  readonly tls: TlsSettings | false | undefined;
  /** Whether a function has given it, which is asked again for the next connection. */
  readonly isTlsAsked: boolean;
}

/** A socket that is connected. */
export interface OpenSocket {
  readonly socket: Socket;
  /** As in `RequestPipeOptions`; undefined with TLS, where bytes are decrypted into new memory in any case. */
  readonly onLentData: ((listener: (chunk: Buffer) => void) => void) | undefined;
}

/** One read takes as much as this. */
const READ_BYTES = 128 * 1024;

/** Opens the socket, with TLS where it is asked for. Rejects when `deadline` fires. */
export function openSocket(options: SettledOptions, peer: string, deadline: AbortSignal): Promise<OpenSocket> {
  return new Promise((resolve, reject) => {
    const tcp = { host: options.host, port: options.port, noDelay: true, keepAlive: true };
    const tls = options.tls === true ? {} : options.tls;
    let socket: Socket | TLSSocket;
    let onLentData: OpenSocket['onLentData'];
    let readyEvent: 'connect' | 'secureConnect' = 'connect';
    let shakesHands = false;
    if (tls) {
      readyEvent = 'secureConnect';
      const servername = isIP(options.host) === 0 ? { servername: options.host } : {};
      try {
        socket = nodeTls().connect({ ...servername, ...tls, ...tcp });
      } catch (error) {
        reject(refusedSettings(peer, error, options.isTlsAsked));
        return;
      }
      // TLS sockets take `noDelay` only from a socket that they are given.
      socket.setNoDelay(true);
      socket.once('connect', () => {
        shakesHands = true;
      });
    } else {
      const lent = lentReads();
      onLentData = lent.onData;
      socket = connectTcp({ ...tcp, onread: lent.onread });
    }
    const settle = (finish: () => void): void => {
      deadline.removeEventListener('abort', onDeadline);
      socket.off(readyEvent, onReady).off('error', onError).off('close', onClose);
      finish();
    };
    const fail = (error: KafkaError): void =>
      settle(() => {
        // An error may follow the one that ended the attempt; nobody waits for it.
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    const onReady = (): void => settle(() => resolve({ socket, onLentData }));
    const onError = (error: NodeJS.ErrnoException): void => fail(connectError(peer, error, shakesHands));
    const onClose = (): void => {
      const what = shakesHands ? HUNG_UP_ON_TLS : 'the broker closed the connection';
      fail(new ConnectionError('NETWORK_CONNECT_FAILED', `Cannot connect to ${peer}: ${what}`));
    };
    const onDeadline = (): void => fail(deadlineError(peer, deadline));
    socket.on(readyEvent, onReady).on('error', onError).on('close', onClose);
    deadline.addEventListener('abort', onDeadline, { once: true });
    if (deadline.aborted) onDeadline();
  });
}

/**
 * Has the socket read into the same memory again and again. Otherwise every read takes 64 KiB outside of V8's heap, and the full
 * collections that this brings about cost more than everything that is done with the bytes.
 */
function lentReads(): { onread: OnReadOpts; onData: (listener: (chunk: Buffer) => void) => void } {
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);
  // Nothing has been asked for before the listener is there, so what arrives before is of no use to anybody.
  let listener: (chunk: Buffer) => void = () => {};
  return {
    onread: {
      buffer: memory,
      callback: (bytes) => {
        listener(memory.subarray(0, bytes));
        return true;
      },
    },
    onData: (wanted) => {
      listener = wanted;
    },
  };
}

/** What is told when connecting is cut short: our own time-out, or the caller's abort. */
export function deadlineError(peer: string, deadline: AbortSignal): KafkaError {
  const reason: unknown = deadline.reason;
  return reason instanceof ConnectionError
    ? reason
    : new RequestAbortedError(`Connecting to ${peer} was aborted`, reason);
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Is the broker up, and is this the port of a listener?',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name could not be resolved just now',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  ETIMEDOUT: 'the host does not answer',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the broker does not speak TLS on this port',
};

/** What node:tls says of a certificate that no authority it knows has signed, and what is to be done then. */
const UNTRUSTED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/;
const TRUST_IT =
  'no authority that is trusted here has signed its certificate. Give that of the right one (PEM) as tls.ca, in properties as ssl.truststore.location';

/** What a listener without TLS does with a handshake; one that restarts does it too, so that it is no more than a question. */
const HUNG_UP_ON_TLS = 'the broker hung up during the TLS handshake. Does this port speak TLS?';
const HANGING_UP: readonly string[] = ['ECONNRESET', 'EPIPE'];

function connectError(peer: string, error: NodeJS.ErrnoException, shakesHands: boolean): ConnectionError {
  const code = error.code ?? '';
  const said = UNTRUSTED.test(code) ? `${error.message}: ${TRUST_IT}` : error.message;
  const hint = shakesHands && HANGING_UP.includes(code) ? HUNG_UP_ON_TLS : (HINTS[code] ?? said);
  const tlsFailed = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|INVALID_CA|HOSTNAME_)/.test(code);
  return new ConnectionError(
    tlsFailed ? 'NETWORK_TLS_FAILED' : 'NETWORK_CONNECT_FAILED',
    `Cannot connect to ${peer}: ${hint}${code === '' ? '' : ` (${code})`}`,
    error,
  );
}
