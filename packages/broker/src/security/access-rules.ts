import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { Logger } from '../shared/logger.ts';
import { MalformedNodeError } from '../store/znodes.ts';
import { type AccessRule, type Acl, EVERYBODY, patternKey, type ResourcePattern, ruleKey, WILDCARD } from './acl.ts';
import { AclAuthorizer } from './acl-authorizer.ts';
import { type AclFilter, matches } from './acl-filter.ts';
import { AclStore } from './acl-store.ts';

/** What holds where nobody can read the rules: one of them may deny. Super users are not asked for rules. */
const ALL_DENIED: readonly AccessRule[] = [
  { principal: EVERYBODY, permissionType: 'Deny', host: WILDCARD, operation: 'All' },
];

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
      known: () => this.authorizer.rules.patterns,
    });
  }

  start(): Promise<void> {
    return this.#store.start();
  }

  stop(): void {
    this.#store.stop();
  }

  /** Every rule that can be read. */
  *all(): Generator<Acl> {
    for (const { pattern, rules } of this.#written.values()) {
      for (const rule of rules) yield { ...rule, pattern };
    }
  }

  /** Adds rules to a pattern. Those that are there already stay as they are. @throws MetadataError, MalformedNodeError */
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

  /**
   * Removes what filters match; for each filter the rules that it took away.
   * @throws MetadataError, MalformedNodeError for a pattern whose rules nobody can read; those of the others are removed all the same.
   */
  async remove(filters: readonly AclFilter[]): Promise<readonly (readonly Acl[])[]> {
    const removed: Acl[][] = filters.map(() => []);
    let unreadable: MalformedNodeError | undefined;
    for (const { pattern, rules } of [...this.#written.values()]) {
      const isMeant = (rule: AccessRule): boolean => filters.some((filter) => matches(filter, { ...rule, pattern }));
      if (!rules.some(isMeant)) continue;
      let gone: Acl[] = [];
      try {
        await this.#store.change(pattern, (before) => {
          const acls = before.map((rule): Acl => ({ ...rule, pattern }));
          gone = acls.filter((acl) => filters.some((filter) => matches(filter, acl)));
          return gone.length === 0 ? undefined : acls.filter((acl) => !gone.includes(acl));
        });
      } catch (error) {
        if (!(error instanceof MalformedNodeError)) throw error;
        unreadable = error;
      }
      for (const [index, filter] of filters.entries()) {
        removed[index]?.push(...gone.filter((acl) => matches(filter, acl)));
      }
    }
    if (unreadable !== undefined) throw unreadable;
    return removed;
  }

  #take(pattern: ResourcePattern, rules: readonly AccessRule[] | undefined): void {
    if (rules === undefined || rules.length === 0) this.#written.delete(patternKey(pattern));
    else this.#written.set(patternKey(pattern), { pattern, rules });
    this.authorizer.setRules(pattern, rules ?? ALL_DENIED);
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
