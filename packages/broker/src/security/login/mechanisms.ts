import type { Clock, Random } from '@millrace/ports';
import type { BrokerConfig } from '../../config/broker-config.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { UserCredentials } from '../user-credentials.ts';
import { LoginGate } from './login-gate.ts';
import { plainLogin } from './plain.ts';
import { scramLogin } from './scram.ts';
import type { ScramMechanism } from './scram-credential.ts';

const SECRET_BYTES = 32;
const NONCE_BYTES = 24;

/** What logins work with. */
export interface LoginSurroundings {
  readonly config: BrokerConfig;
  readonly users: UserCredentials;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The gate in front of the handlers, with the mechanisms that are served. */
export function newLoginGate({ config, users, random, clock, logger, metrics }: LoginSurroundings): LoginGate {
  const secret = Buffer.from(random.bytes(SECRET_BYTES));
  return new LoginGate({
    listeners: config.listenerSecurity,
    clock,
    logger,
    metrics,
    begin: (mechanism, settings) => {
      if (mechanism === 'PLAIN') return plainLogin(settings.users);
      // The settings let no other through than PLAIN and those of SCRAM.
      const scram = mechanism as ScramMechanism;
      return scramLogin({
        mechanism: scram,
        find: (user) => users.find(user, scram),
        nonce: () => Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url'),
        secret,
      });
    },
  });
}
