import { javaAddress } from '../shared/hosts.ts';
import type { Logger } from '../shared/logger.ts';
import type { EntityConfigs } from '../store/entity-configs.ts';
import { CLIENT_QUOTAS, entityAt, pathOfEntity, type QuotaEntity, quotasFor, quotaText } from './quota-entity.ts';

/** The quotas of one entity. */
export interface EntityQuotas {
  readonly entity: QuotaEntity;
  readonly values: ReadonlyMap<string, number>;
}

/** A change of one quota; undefined takes it away. */
export interface QuotaChange {
  readonly key: string;
  readonly value: number | undefined;
}

/** The quota that holds for somebody, and with whom he shares it. */
export interface FoundQuota {
  readonly limit: number;
  readonly sharedBy: string;
}

/** The limits of one kind. Null stands for everybody without one of his own. */
class Limits {
  readonly userClients = new Map<string | null, Map<string | null, number>>();
  readonly users = new Map<string | null, number>();
  readonly clients = new Map<string | null, number>();

  get isEmpty(): boolean {
    return this.userClients.size + this.users.size + this.clients.size === 0;
  }

  set({ user, clientId }: QuotaEntity, limit: number | undefined): void {
    if (user === undefined) {
      put(this.clients, clientId ?? null, limit);
    } else if (clientId === undefined) {
      put(this.users, user, limit);
    } else {
      const ofUser = this.userClients.get(user) ?? new Map<string | null, number>();
      put(ofUser, clientId, limit);
      put(this.userClients, user, ofUser.size === 0 ? undefined : ofUser);
    }
  }

  /** In Kafka's order (`ClientQuotaManager.DefaultQuotaCallback`). Who has the same names in `sharedBy` shares what is counted. */
  find(user: string, clientId: string): FoundQuota | undefined {
    const both = (limit: number): FoundQuota => ({ limit, sharedBy: `${user}\0${clientId}` });
    const ofUser = (limit: number): FoundQuota => ({ limit, sharedBy: `${user}\0` });
    const ofClient = (limit: number): FoundQuota => ({ limit, sharedBy: `\0${clientId}` });
    return (
      this.#ofClientOf(user, clientId, both) ??
      found(this.users.get(user), ofUser) ??
      this.#ofClientOf(null, clientId, both) ??
      found(this.users.get(null), ofUser) ??
      found(this.clients.get(clientId) ?? this.clients.get(null), ofClient)
    );
  }

  #ofClientOf(user: string | null, clientId: string, make: (limit: number) => FoundQuota): FoundQuota | undefined {
    const clients = this.userClients.get(user);
    return clients === undefined ? undefined : found(clients.get(clientId) ?? clients.get(null), make);
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function found(limit: number | undefined, make: (limit: number) => FoundQuota): FoundQuota | undefined {
  return limit === undefined ? undefined : make(limit);
}

/** The quotas of the cluster, as they are kept in the metadata store. */
export class QuotaRules {
  readonly #entities: EntityConfigs;
  readonly #logger: Logger;
  readonly #byPath = new Map<string, EntityQuotas>();
  readonly #limits = new Map<string, Limits>();
  /** Connections a second, by the address in Java's form; null for every other. */
  readonly #byAddress = new Map<string | null, number>();

  constructor(entities: EntityConfigs, logger: Logger) {
    this.#entities = entities;
    this.#logger = logger;
    for (const key of CLIENT_QUOTAS.keys()) this.#limits.set(key, new Limits());
    entities.onEntity((path, config) => this.#take(path, config));
  }

  /** Whether no client has any; nothing else need be asked then. */
  get isEmpty(): boolean {
    return this.#byPath.size === this.#byAddress.size;
  }

  all(): Iterable<EntityQuotas> {
    return this.#byPath.values();
  }

  /** The limit of one kind that holds for somebody; undefined where nothing limits him. */
  find(key: string, user: string, clientId: string): FoundQuota | undefined {
    const limits = this.#limits.get(key);
    return limits === undefined || limits.isEmpty ? undefined : limits.find(user, clientId);
  }

  /** How many connections a second may come from an address; Infinity where nothing limits it. */
  connectionRate(address: string): number {
    if (this.#byAddress.size === 0) return Number.POSITIVE_INFINITY;
    return this.#byAddress.get(javaAddress(address)) ?? this.#byAddress.get(null) ?? Number.POSITIVE_INFINITY;
  }

  /** Changes quotas of an entity; their keys and values have been checked. @throws MetadataError */
  change(entity: QuotaEntity, changes: readonly QuotaChange[]): Promise<void> {
    return this.#entities.change(pathOfEntity(entity), (before) => {
      const after = { ...before };
      for (const { key, value } of changes) {
        const kind = quotasFor(entity).get(key);
        const text = value === undefined || kind === undefined ? undefined : quotaText(kind, value);
        if (text === undefined) delete after[key];
        else after[key] = text;
      }
      return after;
    });
  }

  #take(path: string, config: Readonly<Record<string, string>>): void {
    const entity = entityAt(path);
    if (entity === undefined) return;
    const values = this.#valuesOf(path, config, entity);
    if (values.size === 0) this.#byPath.delete(path);
    else this.#byPath.set(path, { entity, values });
    if (entity.ip !== undefined) {
      const address = entity.ip === null ? null : javaAddress(entity.ip);
      put(this.#byAddress, address, values.get('connection_creation_rate'));
      return;
    }
    for (const [key, limits] of this.#limits) limits.set(entity, values.get(key));
  }

  #valuesOf(path: string, config: Readonly<Record<string, string>>, entity: QuotaEntity): ReadonlyMap<string, number> {
    const values = new Map<string, number>();
    for (const key of quotasFor(entity).keys()) {
      const text = config[key];
      if (text === undefined) continue;
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (value >= 0) values.set(key, value);
      else this.#logger.error({ path, key }, `The quota ${key} of ${path} is no number; it is not held to`);
    }
    return values;
  }
}
