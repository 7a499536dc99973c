/**
 * Decides by access rules, as Kafka's `AclAuthorizer`: super users may everything; without any rule about a resource the answer is
 * `allow.everyone.if.no.acl.found`; a rule that denies goes before all that allow.
 */
import type { Clock } from '@millrace/ports';
import type { Asker, AuthorizationRequest, Authorizer, Operation, ResourceType } from '../shared/authorization.ts';
import { javaAddress } from '../shared/hosts.ts';
import type { Logger } from '../shared/logger.ts';
import { type AccessRule, EVERYBODY, type ResourcePattern, WILDCARD } from './acl.ts';
import { RulesIndex } from './rules-index.ts';

/** Decisions that are remembered; beyond it all are made anew. */
const DECISIONS_MAX = 50_000;

/** Decisions about longer names are not remembered: V8 tells long keys of one length apart by comparing them with all others. */
const NAME_REMEMBERED_MAX = 1000;
/** Lines of the audit log in a second, so that nobody fills a disk by asking for what he may not; those beyond are counted. */
const AUDIT_LINES_PER_SECOND_MAX = 500;
/** How much of a name is logged: those of topics have up to 249 characters, and requests may carry longer ones. */
const NAME_SHOWN_MAX = 300;

/** Who may do one of these may describe, too. */
const IMPLIES_DESCRIBE: ReadonlySet<string> = new Set(['Describe', 'Read', 'Write', 'Delete', 'Alter']);
const IMPLIES_DESCRIBE_CONFIGS: ReadonlySet<string> = new Set(['DescribeConfigs', 'AlterConfigs']);

/** How an authorizer decides where there are no rules. */
export interface AclAuthorizerOptions {
  /** As `KafkaPrincipal` prints them. */
  readonly superUsers: ReadonlySet<string>;
  /** `allow.everyone.if.no.acl.found`. */
  readonly allowsWithoutRules: boolean;
  /**
   * The audit log, as Kafka's `kafka.authorizer.logger`: what is denied at info, what is allowed at debug; at trace what is left out of a
   * list, and what somebody is told of his rights.
   */
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What lies under `undefined` was decided about any resource of a type. */
type ByName = Map<string | undefined, boolean>;
/** What was decided for one asker. Maps in maps: a key put together for every request would cost more than all else here. */
type Decisions = Map<ResourceType, Map<Operation, ByName>>;

export class AclAuthorizer implements Authorizer {
  readonly rules = new RulesIndex();
  readonly #options: AclAuthorizerOptions;
  /** By host and principal. */
  #decisions = new Map<string, Map<string, Decisions>>();
  #decisionCount = 0;
  #auditSecond = 0;
  #auditLines = 0;

  constructor(options: AclAuthorizerOptions) {
    this.#options = options;
  }

  /** Takes over what holds on a pattern from now on. No decision outlives a change of the rules. */
  setRules(pattern: ResourcePattern, rules: readonly AccessRule[]): void {
    this.rules.set(pattern, rules.map(comparable));
    this.#decisions = new Map();
    this.#decisionCount = 0;
  }

  isAllowed(request: AuthorizationRequest): boolean {
    const { name } = request.resource;
    if (name.length > NAME_REMEMBERED_MAX) {
      const isAllowed = this.#decide(request);
      this.#audit(request, isAllowed);
      return isAllowed;
    }
    const decided = this.#decisionsOf(request, request.operation, request.resource.type);
    let isAllowed = decided.get(name);
    if (isAllowed === undefined) {
      isAllowed = this.#decide(request);
      this.#remember(decided, name, isAllowed);
    }
    this.#audit(request, isAllowed);
    return isAllowed;
  }

  isAllowedForAny(asker: Asker, operation: Operation, type: ResourceType): boolean {
    const decided = this.#decisionsOf(asker, operation, type);
    let isAllowed = decided.get(undefined);
    if (isAllowed === undefined) {
      isAllowed = this.#decideForAny(asker, operation, type);
      this.#remember(decided, undefined, isAllowed);
    }
    this.#audit(
      { ...asker, operation, resource: { type, name: 'NONE' }, purpose: 'access', references: () => 0 },
      isAllowed,
      'UNKNOWN',
    );
    return isAllowed;
  }

  #decideForAny(asker: Asker, operation: Operation, type: ResourceType): boolean {
    const { principal } = asker;
    if (this.#options.superUsers.has(principal)) return true;
    const host = javaAddress(asker.clientHost);
    const denied = new DeniedPatterns();
    const allowed: ResourcePattern[] = [];
    for (const rule of this.rules.ofType(type)) {
      if (!isAbout(rule, principal, host) || (rule.operation !== operation && rule.operation !== 'All')) continue;
      if (rule.permissionType === 'Deny') denied.add(rule.pattern);
      else allowed.push(rule.pattern);
    }
    if (denied.hasAll) return false;
    if (this.#options.allowsWithoutRules) return true;
    return allowed.some((pattern) => !denied.cover(pattern));
  }

  #decide({ principal, clientHost, operation, resource }: AuthorizationRequest): boolean {
    if (this.#options.superUsers.has(principal)) return true;
    const host = javaAddress(clientHost);
    let hasRules = false;
    let isAllowed = false;
    for (const rules of this.rules.about(resource.type, resource.name)) {
      hasRules = true;
      for (const rule of rules) {
        if (!isAbout(rule, principal, host)) continue;
        if (rule.permissionType === 'Allow') isAllowed ||= allows(rule, operation);
        else if (rule.operation === operation || rule.operation === 'All') return false;
      }
    }
    return hasRules ? isAllowed : this.#options.allowsWithoutRules;
  }

  #decisionsOf({ principal, clientHost }: Asker, operation: Operation, type: ResourceType): ByName {
    return (
      this.#decisions.get(clientHost)?.get(principal)?.get(type)?.get(operation) ??
      this.#newDecisionsOf(clientHost, principal, type, operation)
    );
  }

  #newDecisionsOf(clientHost: string, principal: string, type: ResourceType, operation: Operation): ByName {
    const ofHost = mapUnder(this.#decisions, clientHost);
    return mapUnder(mapUnder(mapUnder(ofHost, principal), type), operation);
  }

  #remember(decided: ByName, name: string | undefined, isAllowed: boolean): void {
    if (this.#decisionCount >= DECISIONS_MAX) {
      this.#decisions = new Map();
      this.#decisionCount = 0;
      return;
    }
    this.#decisionCount += 1;
    decided.set(name, isAllowed);
  }

  /** As Kafka's `logAuditMessage`. Only what is denied is written by itself, so only that has a bound. */
  #audit(request: AuthorizationRequest, isAllowed: boolean, patternType = 'LITERAL'): void {
    const level = auditLevel(request, isAllowed);
    if (level === 'info') {
      if (!this.#hasRoom()) return;
    } else if (!isWritten(this.#options.logger, level)) {
      return;
    }
    const { principal, operation, requestName } = request;
    const clientHost = javaAddress(request.clientHost);
    const resource = `${request.resource.type}:${patternType}:${request.resource.name.slice(0, NAME_SHOWN_MAX)}`;
    const references = request.references?.() ?? 1;
    this.#options.logger[level]?.(
      {
        audit: 'authorization',
        isAllowed,
        principal,
        clientHost,
        operation,
        resource,
        request: requestName,
        references,
      },
      `Principal = ${principal} is ${isAllowed ? 'Allowed' : 'Denied'} Operation = ${operation} from host = ${clientHost} on resource = ${resource} for request = ${requestName} with resourceRefCount = ${references}`,
    );
  }

  #hasRoom(): boolean {
    const second = Math.floor(this.#options.clock.monotonic() / 1000);
    if (second !== this.#auditSecond) this.#beginAuditSecond(second);
    this.#auditLines += 1;
    return this.#auditLines <= AUDIT_LINES_PER_SECOND_MAX;
  }

  #beginAuditSecond(second: number): void {
    const left = this.#auditLines - AUDIT_LINES_PER_SECOND_MAX;
    if (left > 0) {
      this.#options.logger.info(
        { audit: 'authorization', left },
        `${left} more requests were denied in the same second`,
      );
    }
    this.#auditSecond = second;
    this.#auditLines = 0;
  }
}

/** An attempt at what one may not is told at once; what was not asked for by name, and what is only told, are no attempts. */
function auditLevel({ purpose }: AuthorizationRequest, isAllowed: boolean): 'info' | 'debug' | 'trace' {
  if (isAllowed) return purpose === 'description' ? 'trace' : 'debug';
  return purpose === 'access' ? 'info' : 'trace';
}

/** Decisions are made for every request: what nobody reads is not put into words. */
function isWritten(logger: Logger, level: 'debug' | 'trace'): boolean {
  return logger.isLevelEnabled?.(level) ?? (level !== 'trace' || logger.trace !== undefined);
}

/** What a map has under a key; an empty map that lies there from now on where it has none. */
function mapUnder<Key, InnerKey, Value>(map: Map<Key, Map<InnerKey, Value>>, key: Key): Map<InnerKey, Value> {
  let value = map.get(key);
  if (value === undefined) {
    value = new Map();
    map.set(key, value);
  }
  return value;
}

function comparable(rule: AccessRule): AccessRule {
  return { ...rule, host: javaAddress(rule.host) };
}

function isAbout({ principal, host }: AccessRule, asker: string, clientHost: string): boolean {
  return (principal === asker || principal === EVERYBODY) && (host === WILDCARD || host === clientHost);
}

function allows({ operation: allowed }: AccessRule, operation: Operation): boolean {
  if (allowed === operation || allowed === 'All') return true;
  if (operation === 'Describe') return IMPLIES_DESCRIBE.has(allowed);
  return operation === 'DescribeConfigs' && IMPLIES_DESCRIBE_CONFIGS.has(allowed);
}

/** What rules deny, found by names and by the lengths of beginnings: there may be as many as rules that allow. */
class DeniedPatterns {
  readonly #literal = new Set<string>();
  readonly #prefixes = new Set<string>();
  readonly #prefixLengths = new Set<number>();

  add({ isPrefix, name }: ResourcePattern): void {
    (isPrefix ? this.#prefixes : this.#literal).add(name);
    if (isPrefix) this.#prefixLengths.add(name.length);
  }

  get hasAll(): boolean {
    return this.#literal.has(WILDCARD);
  }

  /** Whether one of them covers the whole of a pattern. */
  cover({ isPrefix, name }: ResourcePattern): boolean {
    if (!isPrefix && this.#literal.has(name)) return true;
    if (!isPrefix && name === WILDCARD) return false;
    for (const length of this.#prefixLengths) {
      if (length <= name.length && this.#prefixes.has(name.slice(0, length))) return true;
    }
    return false;
  }
}
