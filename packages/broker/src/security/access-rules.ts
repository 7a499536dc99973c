import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { Logger } from '../shared/logger.ts';
import { type AccessRule, type Acl, patternKey, type ResourcePattern, ruleKey } from './acl.ts';
import { AclAuthorizer } from './acl-authorizer.ts';
import { type AclFilter, matches } from './acl-filter.ts';
import { AclStore } from './acl-store.ts';

/** What the rules of a broker work with. */
export interface AccessRulesOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<BrokerConfig, 'superUsers' | 'allowEveryoneIfNoAclFound'>;
}

/** The access rules of the cluster: decided by here, kept in the metadata store, and changed by administrators. */
export class AccessRules {
  readonly authorizer: AclAuthorizer;
  readonly #store: AclStore;
  /** The rules as they were written; those of the authorizer have their hosts in another form. */
  readonly #written = new Map<string, { readonly pattern: ResourcePattern; readonly rules: readonly AccessRule[] }>();

  constructor({ store, clock, logger, config }: AccessRulesOptions) {
    this.authorizer = new AclAuthorizer({
      superUsers: superUsersOf(config.superUsers),
      allowsWithoutRules: config.allowEveryoneIfNoAclFound,
      logger,
      clock,
    });
    this.#store = new AclStore({
      store,
      clock,
      logger,
      onRules: (pattern, rules) => this.#take(pattern, rules),
      known: () => Array.from(this.#written.values(), ({ pattern }) => pattern),
    });
  }

  start(): Promise<void> {
    return this.#store.start();
  }

  stop(): void {
    this.#store.stop();
  }

  /** Every rule. */
  *all(): Generator<Acl> {
    for (const { pattern, rules } of this.#written.values()) {
      for (const rule of rules) yield { ...rule, pattern };
    }
  }

  /** Adds rules to a pattern. Those that are there already stay as they are. @throws MetadataError */
  add(pattern: ResourcePattern, rules: readonly AccessRule[]): Promise<void> {
    return this.#store.change(pattern, (before) => {
      const known = new Set(before.map(ruleKey));
      const added = rules.filter((rule) => {
        const isNew = !known.has(ruleKey(rule));
        known.add(ruleKey(rule));
        return isNew;
      });
      return [...before, ...added];
    });
  }

  /** Removes what filters match; for each filter the rules that it took away. @throws MetadataError */
  async remove(filters: readonly AclFilter[]): Promise<readonly (readonly Acl[])[]> {
    const removed: Acl[][] = filters.map(() => []);
    for (const { pattern, rules } of [...this.#written.values()]) {
      const isMeant = (rule: AccessRule): boolean => filters.some((filter) => matches(filter, { ...rule, pattern }));
      if (!rules.some(isMeant)) continue;
      let gone: Acl[] = [];
      await this.#store.change(pattern, (before) => {
        const acls = before.map((rule): Acl => ({ ...rule, pattern }));
        gone = acls.filter((acl) => filters.some((filter) => matches(filter, acl)));
        return gone.length === 0 ? undefined : acls.filter((acl) => !gone.includes(acl));
      });
      for (const [index, filter] of filters.entries()) {
        removed[index]?.push(...gone.filter((acl) => matches(filter, acl)));
      }
    }
    return removed;
  }

  #take(pattern: ResourcePattern, rules: readonly AccessRule[]): void {
    if (rules.length === 0) this.#written.delete(patternKey(pattern));
    else this.#written.set(patternKey(pattern), { pattern, rules });
    this.authorizer.setRules(pattern, rules);
  }
}

/** `super.users`: principals with `;` between, for the names of certificates have commas in them. */
export function superUsersOf(text: string): ReadonlySet<string> {
  return new Set(
    text
      .split(';')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  );
}
