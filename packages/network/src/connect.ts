import type { Clock } from '@millrace/ports';
import type { ConnectionOptions } from './connection-options.ts';
import { ConnectionError } from './errors.ts';
import { RequestPipe } from './request-pipe.ts';
import { settingsFrom } from './tls-settings.ts';
import { deadlineError, openSocket, type SettledOptions } from './transport.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const IN_FLIGHT_REQUESTS_MAX = 64;
const QUEUED_REQUESTS_MAX = 1024;
const RESPONSE_BYTES_MAX = 256 * 1024 * 1024;
const UNRESPONSIVE_MS_MAX = 15_000;

/** What makes a connection ready once its socket is open. */
type Introduce<T> = (pipe: RequestPipe, peer: string) => Promise<T>;

/** Opens a socket and makes the connection ready, both within the connect time-out; leaves nothing open when that fails. */
export async function withinDeadline<T>(options: ConnectionOptions, clock: Clock, introduce: Introduce<T>): Promise<T> {
  const peer = `${options.host}:${options.port}`;
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const deadline = new AbortController();
  const onAbort = (): void => deadline.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.schedule(timeoutMs, () => {
    const what = `Connecting to ${peer} timed out after ${timeoutMs} ms (connectTimeoutMs)`;
    deadline.abort(new ConnectionError('NETWORK_CONNECT_TIMED_OUT', what));
  });
  try {
    return await openAndIntroduce(
      await settled(options, peer, deadline.signal),
      clock,
      peer,
      deadline.signal,
      introduce,
    );
  } finally {
    timer.cancel();
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** The options with TLS as it is to be for this connection. */
async function settled(options: ConnectionOptions, peer: string, deadline: AbortSignal): Promise<SettledOptions> {
  const { tls } = options;
  if (typeof tls !== 'function') return { ...options, tls, isTlsAsked: false };
  return { ...options, tls: await settingsFrom(tls, peer, deadline), isTlsAsked: true };
}

async function openAndIntroduce<T>(
  options: SettledOptions,
  clock: Clock,
  peer: string,
  deadline: AbortSignal,
  introduce: Introduce<T>,
): Promise<T> {
  const { socket, onLentData } = await openSocket(options, peer, deadline);
  const pipe = new RequestPipe(socket, {
    peer,
    onLentData,
    clock,
    inFlightRequestsMax: options.inFlightRequestsMax ?? IN_FLIGHT_REQUESTS_MAX,
    queuedRequestsMax: options.queuedRequestsMax ?? QUEUED_REQUESTS_MAX,
    responseBytesMax: options.responseBytesMax ?? RESPONSE_BYTES_MAX,
    unresponsiveMsMax: options.unresponsiveMsMax ?? UNRESPONSIVE_MS_MAX,
    earlyLossHint: questionOf([wantedBesideTls(options)]),
  });
  const onDeadline = (): void => pipe.close(deadlineError(peer, deadline));
  deadline.addEventListener('abort', onDeadline, { once: true });
  try {
    const introduced = await introduce(pipe, peer);
    pipe.ready();
    return introduced;
  } catch (error) {
    const lostMeanwhile = !pipe.open && !deadline.aborted;
    pipe.closeWith('NETWORK_CONNECTION_CLOSED', 'the connection could not be made ready');
    if (deadline.aborted) throw deadlineError(peer, deadline);
    throw lostMeanwhile ? await explainLoss(pipe, options, peer) : error;
  } finally {
    deadline.removeEventListener('abort', onDeadline);
  }
}

/** A broker that hangs up on the first exchange says nothing about why; the likely causes are few. */
async function explainLoss(pipe: RequestPipe, options: SettledOptions, peer: string): Promise<Error> {
  const reason = await pipe.closed;
  if (reason.code !== 'NETWORK_CONNECTION_LOST') return reason;
  const isTlsKnown = options.tls || options.isLoginKnown;
  const question = questionOf([isTlsKnown ? undefined : 'TLS', wantedBesideTls(options)]);
  const hint = question === undefined ? '' : `. ${question}`;
  const what = `Cannot connect to ${peer}: the broker hung up during the first exchange${hint}`;
  return new ConnectionError('NETWORK_CONNECT_FAILED', what, reason);
}

function questionOf(guesses: readonly (string | undefined)[]): string | undefined {
  const all = guesses.filter((guess) => guess !== undefined);
  return all.length === 0 ? undefined : `Does this port want ${all.join(' or ')}?`;
}

/**
 * Who has logged in is told what is wrong. In TLS 1.3 the client is ready before its certificate has been looked at, so a broker that does not
 * trust it hangs up here.
 */
function wantedBesideTls({ tls, sasl, isLoginKnown }: SettledOptions): string | undefined {
  if (sasl !== undefined || isLoginKnown) return undefined;
  if (tls === undefined || tls === false) return 'SASL';
  const isShown = tls !== true && (tls.cert !== undefined || tls.pfx !== undefined);
  return isShown ? 'SASL or another client certificate' : 'SASL or a client certificate';
}
