import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import type { BrokerConfig } from '../../config/broker-config.ts';
import type { TokenSettings } from '../../config/oauth-settings.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Metrics } from '../../shared/metrics.ts';
import { loginSecret } from '../../store/login-secret.ts';
import type { DelegationTokens } from '../delegation-tokens.ts';
import type { UserCredentials } from '../user-credentials.ts';
import { inventedCredential } from './invented-credential.ts';
import { LoginGate } from './login-gate.ts';
import { type CheckToken, oauthBearerLogin } from './oauth-bearer.ts';
import { plainLogin } from './plain.ts';
import { type FoundToken, scramLogin } from './scram.ts';
import type { ScramMechanism } from './scram-credential.ts';
import type { LoadKeys } from './signing-keys.ts';

const NONCE_BYTES = 24;

/** What logins work with. */
export interface LoginSurroundings {
  readonly config: BrokerConfig;
  readonly users: UserCredentials;
  readonly delegationTokens: DelegationTokens;
  /** What unknown users are asked for is made of it; the same at all brokers. */
  readonly loginSecret: Buffer;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Finds how the tokens of a listener are checked. */
type CheckOf = (tokens: TokenSettings) => CheckToken;

const noTokens: CheckOf = () => {
  throw new Error('no listener of this broker takes tokens');
};

const NO_WAY_TO_KEYS: LoadKeys = async () => {
  throw new Error('this broker has no way to a provider of keys');
};

/** The gate in front of the handlers, with what it needs of the metadata store. @throws MetadataError */
export async function openLoginGate(
  surroundings: Omit<LoginSurroundings, 'loginSecret'>,
  store: MetadataStore,
  loadKeys?: LoadKeys,
): Promise<LoginGate> {
  const { config, random } = surroundings;
  const mechanisms = [...config.listenerSecurity.values()].flatMap(({ sasl }) => [...(sasl?.mechanisms.keys() ?? [])]);
  // Where nobody logs in by a name and its proof, nobody can ask for a name, and the store stays as Kafka would leave it.
  const hasScram = mechanisms.some((mechanism) => mechanism.startsWith('SCRAM-'));
  const secret = hasScram ? await loginSecret(store, random) : Buffer.alloc(0);
  const checkOf = mechanisms.includes('OAUTHBEARER') ? await tokenChecks(surroundings, loadKeys) : noTokens;
  return newLoginGate({ ...surroundings, loginSecret: secret }, checkOf);
}

/**
 * How the tokens of a listener's settings are checked; one check for each, so that its keys are read once. The library for tokens is a
 * third of the files that a broker would read at its start, so it is read where tokens are taken.
 */
async function tokenChecks(
  { clock, logger }: Pick<LoginSurroundings, 'clock' | 'logger'>,
  loadKeys: LoadKeys = NO_WAY_TO_KEYS,
): Promise<CheckOf> {
  const { tokenCheck } = await import('./token-checks.ts');
  const checks = new Map<TokenSettings, CheckToken>();
  return (tokens) => {
    const check = checks.get(tokens) ?? tokenCheck(tokens, { clock, logger, loadKeys });
    checks.set(tokens, check);
    return check;
  };
}

/** The gate in front of the handlers, with the mechanisms that are served. */
function newLoginGate(
  { config, users, delegationTokens, loginSecret, random, clock, logger, metrics }: LoginSurroundings,
  checkOf: CheckOf,
): LoginGate {
  return new LoginGate({
    listeners: config.listenerSecurity,
    clock,
    logger,
    metrics,
    begin: (mechanism, settings) => {
      if (mechanism === 'PLAIN') return plainLogin(settings.users);
      if (settings.tokens !== undefined) return oauthBearerLogin(checkOf(settings.tokens));
      // The settings let no other through than these and those of SCRAM.
      const scram = mechanism as ScramMechanism;
      return scramLogin({
        mechanism: scram,
        find: (user) => users.find(user, scram),
        findToken: delegationTokens.isOn ? (id) => foundToken(delegationTokens, id, scram) : undefined,
        nonce: () => Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url'),
        invent: (user) => inventedCredential(scram, user, loginSecret, users.shapeAt),
      });
    },
  });
}

async function foundToken(
  tokens: DelegationTokens,
  id: string,
  mechanism: ScramMechanism,
): Promise<FoundToken | undefined> {
  const found = await tokens.find(id, mechanism);
  if (found === undefined) return undefined;
  const { owner, expiresMs } = found.token;
  return { owner: owner.slice(owner.indexOf(':') + 1), expiresAtMs: expiresMs, credential: found.credential };
}
