import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import type { BrokerConfig } from './config/broker-config.ts';
import type { ConfigRepository } from './config/config-repository.ts';
import { ClientQuotas } from './quotas/client-quotas.ts';
import { QuotaRules } from './quotas/quota-rules.ts';
import { DelegationTokens } from './security/delegation-tokens.ts';
import { UserCredentials } from './security/user-credentials.ts';
import type { Logger } from './shared/logger.ts';
import type { Metrics } from './shared/metrics.ts';
import { EntityConfigs } from './store/entity-configs.ts';

/** What is kept of clients: who can log in, and what they may use. */
export interface ClientRooms {
  readonly entities: EntityConfigs;
  readonly users: UserCredentials;
  readonly delegationTokens: DelegationTokens;
  readonly quotaRules: QuotaRules;
  readonly quotas: ClientQuotas;
}

export function newClientRooms(options: {
  readonly store: MetadataStore;
  readonly configs: ConfigRepository;
  readonly config: BrokerConfig;
  readonly random: Random;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}): ClientRooms {
  const { store, config, configs, random, clock, metrics, logger } = options;
  const entities = new EntityConfigs(store, logger);
  const users = new UserCredentials({ entities, logger });
  const delegationTokens = new DelegationTokens({
    store,
    clock,
    random,
    logger,
    secret: config.delegationTokenSecretKey ?? config.delegationTokenMasterKey ?? undefined,
    maxLifetimeMs: config.delegationTokenMaxLifetimeMs,
    renewalMs: config.delegationTokenExpiryTimeMs,
    sweepMs: config.delegationTokenExpiryCheckIntervalMs,
  });
  const rules = new QuotaRules(entities, logger);
  const quotas = new ClientQuotas({
    rules,
    clock,
    metrics,
    windows: () => {
      const { quotaWindowNum: count, quotaWindowSizeSeconds: seconds } = configs.current;
      return { count, seconds };
    },
    controllerWindows: () => {
      const { controllerQuotaWindowNum: count, controllerQuotaWindowSizeSeconds: seconds } = configs.current;
      return { count, seconds };
    },
  });
  return { entities, users, delegationTokens, quotaRules: rules, quotas };
}

/** Reads what is kept. @throws MetadataError */
export async function startClientRooms({ entities, delegationTokens }: ClientRooms): Promise<void> {
  await entities.load();
  await delegationTokens.start();
}
