import type { ResourceType } from '../shared/authorization.ts';
import { type AccessRule, type Acl, patternKey, type ResourcePattern, WILDCARD } from './acl.ts';

const NO_RULES: readonly AccessRule[] = [];

/** The rules of one type of resources: by name, and by what names begin with. */
class TypeRules {
  readonly literal = new Map<string, readonly AccessRule[]>();
  readonly prefixed = new Map<string, readonly AccessRule[]>();
  /** The lengths that prefixes have, so that only these are tried. */
  readonly prefixLengths = new Map<number, number>();
}

/** All rules in memory, found by what they are about. */
export class RulesIndex {
  readonly #types = new Map<ResourceType, TypeRules>();
  readonly #patterns = new Map<string, ResourcePattern>();

  /** Replaces the rules on a pattern; none takes it away. */
  set(pattern: ResourcePattern, rules: readonly AccessRule[]): void {
    const type = this.#typeOf(pattern.type);
    const map = pattern.isPrefix ? type.prefixed : type.literal;
    const isThere = map.has(pattern.name);
    if (rules.length === 0) {
      map.delete(pattern.name);
      this.#patterns.delete(patternKey(pattern));
    } else {
      map.set(pattern.name, rules);
      this.#patterns.set(patternKey(pattern), pattern);
    }
    if (!pattern.isPrefix || isThere === rules.length > 0) return;
    const { length } = pattern.name;
    const count = (type.prefixLengths.get(length) ?? 0) + (isThere ? -1 : 1);
    if (count === 0) type.prefixLengths.delete(length);
    else type.prefixLengths.set(length, count);
  }

  get(pattern: ResourcePattern): readonly AccessRule[] {
    const type = this.#typeOf(pattern.type);
    return (pattern.isPrefix ? type.prefixed : type.literal).get(pattern.name) ?? NO_RULES;
  }

  /** Lists of rules that are about a resource: its own, those for all names, and those for what its name begins with. */
  *about(type: ResourceType, name: string): Generator<readonly AccessRule[]> {
    const { literal, prefixed, prefixLengths } = this.#typeOf(type);
    const own = literal.get(name);
    if (own !== undefined) yield own;
    const all = name === WILDCARD ? undefined : literal.get(WILDCARD);
    if (all !== undefined) yield all;
    for (const length of prefixLengths.keys()) {
      const rules = length <= name.length ? prefixed.get(name.slice(0, length)) : undefined;
      if (rules !== undefined) yield rules;
    }
  }

  /** The patterns that have rules. */
  get patterns(): Iterable<ResourcePattern> {
    return this.#patterns.values();
  }

  /** Every rule with its pattern. */
  *all(): Generator<Acl> {
    for (const pattern of this.#patterns.values()) {
      for (const rule of this.get(pattern)) yield { ...rule, pattern };
    }
  }

  /** The rules of a type, with their patterns. */
  *ofType(type: ResourceType): Generator<Acl> {
    const { literal, prefixed } = this.#typeOf(type);
    for (const [map, isPrefix] of [[literal, false] as const, [prefixed, true] as const]) {
      for (const [name, rules] of map) {
        const pattern = { type, name, isPrefix };
        for (const rule of rules) yield { ...rule, pattern };
      }
    }
  }

  #typeOf(type: ResourceType): TypeRules {
    let rules = this.#types.get(type);
    if (rules === undefined) {
      rules = new TypeRules();
      this.#types.set(type, rules);
    }
    return rules;
  }
}
