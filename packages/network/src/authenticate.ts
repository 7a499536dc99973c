import {
  type Api,
  decodeResponseFrame,
  ErrorCode,
  encodeRequest,
  errorInfo,
  SaslAuthenticate,
  SaslHandshake,
} from '@millrace/protocol';
import { AuthenticationError, ConnectionError, KafkaError } from './errors.ts';
import type { RequestPipe } from './request-pipe.ts';
import { beginExchange } from './sasl/exchange.ts';
import type { SaslOptions } from './sasl/mechanism.ts';
import { type BrokerVersions, chooseVersion } from './versions.ts';

/** More messages than any mechanism needs; a broker that keeps asking is broken. */
const EXCHANGE_STEPS_MAX = 16;

/** With what and where to authenticate. */
export interface AuthenticationTarget {
  readonly pipe: RequestPipe;
  readonly broker: BrokerVersions;
  readonly peer: string;
  readonly clientId: string;
  readonly sasl: SaslOptions;
  readonly timeoutMs: number;
}

/**
 * Runs SaslHandshake and SaslAuthenticate (KIP-43, KIP-152), at the start of a connection or again later (KIP-368).
 * @returns For how many milliseconds the broker honours it; 0 means without end.
 * @throws AuthenticationError when either side refuses; ConnectionError when a function of `sasl` fails.
 */
export async function authenticate(target: AuthenticationTarget): Promise<number> {
  const { sasl, peer } = target;
  const who = `SASL ${sasl.mechanism} at ${peer}`;
  const exchange = await given(who, () => beginExchange(sasl));
  // Version 0 of the handshake would be followed by raw tokens without headers, which no broker since 1.0 needs.
  const handshake = await ask(target, SaslHandshake, { mechanism: sasl.mechanism }, 1);
  if (handshake.errorCode !== ErrorCode.NONE) throw handshakeRefused(who, handshake.errorCode, handshake.mechanisms);
  let challenge: Buffer | undefined;
  let sessionLifetimeMs = 0;
  for (let step = 0; step < EXCHANGE_STEPS_MAX; step += 1) {
    const authBytes = await given(who, () => exchange.respond(challenge));
    if (authBytes === undefined) return sessionLifetimeMs;
    const answer = await ask(target, SaslAuthenticate, { authBytes }, 0);
    if (answer.errorCode !== ErrorCode.NONE) {
      const said = answer.errorMessage ?? errorInfo(answer.errorCode).name;
      throw new AuthenticationError(`${who} failed: ${said}`, { errorCode: answer.errorCode });
    }
    sessionLifetimeMs = answer.sessionLifetimeMs;
    challenge = answer.authBytes;
  }
  throw new AuthenticationError(`${who} failed: no end after ${EXCHANGE_STEPS_MAX} messages`);
}

/** What the caller's functions give: passwords, tokens, the messages of a mechanism of his own. They may read files and ask servers. */
async function given<T>(who: string, give: () => T | Promise<T>): Promise<T> {
  try {
    return await give();
  } catch (error) {
    if (error instanceof KafkaError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    const what = `${who} failed: a function of the option sasl failed: ${said}`;
    throw new ConnectionError('NETWORK_CREDENTIALS_FAILED', what, error);
  }
}

function ask<Req, Res, ReqInput, ResInput>(
  target: AuthenticationTarget,
  api: Api<Req, Res, ReqInput, ResInput>,
  body: ReqInput,
  versionMin: number,
): Promise<Res> {
  const version = chooseVersion(api, target.broker, target.peer, { versionMin });
  return target.pipe.request({
    label: `${api.name} v${version}`,
    encode: (correlationId) => encodeRequest(api, version, { correlationId, clientId: target.clientId }, body),
    decode: (frame) => decodeResponseFrame(api, version, frame).body,
    timeoutMs: target.timeoutMs,
    urgent: true,
  });
}

function handshakeRefused(who: string, errorCode: number, mechanisms: readonly string[]): AuthenticationError {
  const reasons: Readonly<Record<number, string>> = {
    [ErrorCode.UNSUPPORTED_SASL_MECHANISM]: `the broker does not know the mechanism; it offers ${mechanisms.join(', ') || 'none'}`,
    [ErrorCode.ILLEGAL_SASL_STATE]: 'this listener of the broker does not use SASL. Leave the option "sasl" out',
  };
  const reason = reasons[errorCode] ?? `the broker answered ${errorInfo(errorCode).name}`;
  return new AuthenticationError(`${who} failed: ${reason}`, { errorCode });
}
