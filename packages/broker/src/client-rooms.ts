import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { ConfigRepository } from './config/config-repository.ts';
import { ClientQuotas } from './quotas/client-quotas.ts';
import { QuotaRules } from './quotas/quota-rules.ts';
import { UserCredentials } from './security/user-credentials.ts';
import type { Logger } from './shared/logger.ts';
import type { Metrics } from './shared/metrics.ts';
import { EntityConfigs } from './store/entity-configs.ts';

/** What is kept of clients: who can log in, and what they may use. */
export interface ClientRooms {
  readonly entities: EntityConfigs;
  readonly users: UserCredentials;
  readonly quotaRules: QuotaRules;
  readonly quotas: ClientQuotas;
}

export function newClientRooms(options: {
  readonly store: MetadataStore;
  readonly configs: ConfigRepository;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}): ClientRooms {
  const { store, configs, clock, metrics, logger } = options;
  const entities = new EntityConfigs(store);
  const users = new UserCredentials({ entities, logger });
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
  return { entities, users, quotaRules: rules, quotas };
}
