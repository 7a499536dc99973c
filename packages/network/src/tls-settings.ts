/** What a connection is secured with, and where that comes from. */
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import { shown } from '@millrace/ports';
import { ConnectionError, KafkaError, RequestAbortedError } from './errors.ts';

/** `true` for TLS with the system's certificate authorities, or what `node:tls` takes. */
export type TlsSettings = true | TlsConnectionOptions;

/** Gives the settings of TLS; asked for every connection, so that certificates, keys and authorities may change. */
export type TlsSource = () => TlsSettings | Promise<TlsSettings>;

const PEM = /-----BEGIN [A-Z0-9 ]+-----/;

/**
 * What is wrong with certificates and keys; undefined where nothing is. node:tls takes the path of a file for its content, finds nothing in
 * it, and says at the first connection that the broker cannot be trusted.
 */
export function tlsFault(tls: TlsSettings | TlsSource | false | undefined): string | undefined {
  if (typeof tls !== 'object') return undefined;
  for (const name of ['ca', 'cert', 'key'] as const) {
    const given: unknown = tls[name];
    for (const each of Array.isArray(given) ? given : [given]) {
      if (each === undefined || each === null || hasPem(each)) continue;
      // A key is nothing for a message.
      const what = name === 'key' ? 'what has no such block' : shown(each);
      return `tls.${name} must be the content of a PEM file (text with -----BEGIN ...), not ${what}: give readFileSync(path)`;
    }
  }
  return undefined;
}

function hasPem(given: unknown): boolean {
  if (typeof given === 'string') return PEM.test(given);
  if (given instanceof Uint8Array) {
    return PEM.test(Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString('latin1'));
  }
  // A key with its passphrase.
  return typeof given === 'object' && given !== null && 'pem' in given && hasPem(given.pem);
}

/**
 * Asks for the settings of one connection, for as long as the connection may take.
 * @throws ConnectionError `NETWORK_CREDENTIALS_FAILED` where the function throws or gives what is no use; what ends the attempt
 */
export async function settingsFrom(source: TlsSource, peer: string, deadline: AbortSignal): Promise<TlsSettings> {
  const ended = Promise.withResolvers<never>();
  const onDeadline = (): void => ended.reject(deadline.reason);
  deadline.addEventListener('abort', onDeadline, { once: true });
  if (deadline.aborted) onDeadline();
  try {
    const given: unknown = await Promise.race([ended.promise, (async () => source())()]);
    const fault = givenFault(given);
    if (fault !== undefined) throw new TypeError(fault);
    // It is either of both, as has just been looked at.
    return given as TlsSettings;
  } catch (error) {
    throw deadline.aborted ? tooLate(peer, deadline.reason) : sourceError(peer, error);
  } finally {
    deadline.removeEventListener('abort', onDeadline);
  }
}

/** Nothing is no word for "without TLS": what was to be secret must not travel in the open because a function forgot to return. */
function givenFault(given: unknown): string | undefined {
  if (given === true) return undefined;
  if (typeof given !== 'object' || given === null) {
    return `it must give true or the options of node:tls, not ${shown(given)}`;
  }
  return tlsFault(given);
}

function tooLate(peer: string, reason: unknown): KafkaError {
  if (!(reason instanceof ConnectionError)) return new RequestAbortedError(`Connecting to ${peer} was aborted`, reason);
  const what = `${reason.message}: the function tls has not given its settings`;
  return new ConnectionError('NETWORK_CONNECT_TIMED_OUT', what, reason);
}

function sourceError(peer: string, error: unknown): KafkaError {
  if (error instanceof KafkaError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const what = `Cannot connect to ${peer}: the function tls failed: ${said}`;
  return new ConnectionError('NETWORK_CREDENTIALS_FAILED', what, error);
}

/** What node:tls refuses before anything is sent: a key that is not that of the certificate, say. */
export function refusedSettings(peer: string, error: unknown, isAsked: boolean): ConnectionError {
  const said = error instanceof Error ? error.message : String(error);
  const what = `Cannot connect to ${peer}: node:tls does not take the option tls: ${said}`;
  // A function may have met files that are just being replaced.
  return new ConnectionError(isAsked ? 'NETWORK_CREDENTIALS_FAILED' : 'NETWORK_TLS_FAILED', what, error);
}
