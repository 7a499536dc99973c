import { type Context, createContext, Script } from 'node:vm';
import { translatedPattern } from './principal-pattern.ts';

/** One rule of `ssl.principal.mapping.rules`. */
interface Rule {
  /** Fits the whole name, or does not. */
  readonly fits: RegExp;
  /** What of the name is replaced, as often as it is there. */
  readonly replaced: RegExp;
  /** Texts, and numbers of groups. */
  readonly replacement: readonly (string | number)[];
  /** The pattern fits nothing at all, which is everywhere in a name. */
  readonly fitsNothing: boolean;
  readonly letters: 'L' | 'U' | undefined;
}

/** A certificate's name is no longer than this where it is held against rules: their expressions are an operator's, the name is not. */
const NAME_LENGTH_MAX = 4096;
/**
 * How long a name may take that no name like it has taken before. Expressions are looked for by trying, in Java and here, so that a pattern such
 * as `(x+x+)+y` takes for ever with a name that was made for it, and with it everybody who is served. Honest names take some microseconds.
 */
const MAPPING_MS_MAX = 250;
/** How many names are remembered with who they are; certificates come again and again. */
const NAMES_MAX = 1000;
/** Where lines end, the two languages' `.` and `$` differ; no honest name has such a character. */
const LINE_ENDS = /[\n\r\u0085\u2028\u2029]/;
/** Java finds nothing between the halves of such a character too, and tears it apart. */
const IN_HALVES = /[\u{10000}-\u{10FFFF}]/u;

/**
 * Reads `ssl.principal.mapping.rules` (`SslPrincipalMapper`): `DEFAULT`, or `RULE:pattern/replacement/` with `L` or `U` behind for small
 * or capital letters. The first whose pattern fits the whole name counts; undefined where none does. As with Kafka the pattern is then
 * replaced wherever it is found, in a name that fits `.*` twice: at its end there is nothing, which fits too. A name for which the rules take
 * longer than {@link MAPPING_MS_MAX} is nobody's.
 * @throws SyntaxError
 */
export function principalMapping(text: string): (distinguishedName: string) => string | undefined {
  const rules = rulesOf(text.trim());
  const known = new Map<string, string | undefined>();
  return (name) => {
    if (name.length > NAME_LENGTH_MAX) return undefined;
    if (rules[0] === 'DEFAULT') return name;
    if (known.has(name)) return known.get(name);
    const answer = withinTime(() => ({ principal: principalOf(name, rules) }));
    // What took too long may have met a machine that was too busy: it is looked at anew.
    if (answer === undefined) return undefined;
    if (known.size >= NAMES_MAX) known.clear();
    known.set(name, answer.principal);
    return answer.principal;
  };
}

function principalOf(name: string, rules: readonly (Rule | 'DEFAULT')[]): string | undefined {
  for (const rule of rules) {
    if (rule === 'DEFAULT') return name;
    if (LINE_ENDS.test(name) || (rule.fitsNothing && IN_HALVES.test(name))) return undefined;
    if (rule.fits.test(name)) return mapped(name, rule);
  }
  return undefined;
}

let timed: { readonly script: Script; readonly context: Context } | undefined;

/** What comes of work, or undefined where it takes too long: what is run as a script can be ended from outside, in the midst of an expression too. */
function withinTime<T>(work: () => T): T | undefined {
  timed ??= { script: new Script('work()'), context: createContext({}) };
  const { script, context } = timed;
  context['work'] = work;
  try {
    // What the script gives is what `work` gives.
    return script.runInContext(context, { timeout: MAPPING_MS_MAX }) as T;
  } catch (error) {
    // Not an instance of this realm's errors.
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
    throw error;
  } finally {
    delete context['work'];
  }
}

function mapped(name: string, { replaced, replacement, letters }: Rule): string {
  const text = name.replace(replaced, (...match: (string | undefined)[]) =>
    replacement.map((part) => (typeof part === 'string' ? part : (match[part] ?? ''))).join(''),
  );
  return letters === 'L' ? text.toLowerCase() : letters === 'U' ? text.toUpperCase() : text;
}

const RULE = /^RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?)\s*(?:,\s*|$)/;

function rulesOf(text: string): (Rule | 'DEFAULT')[] {
  const rules: (Rule | 'DEFAULT')[] = [];
  let rest = text;
  while (rest !== '') {
    const isDefault = /^DEFAULT\s*(?:,\s*|$)/.exec(rest);
    const match = isDefault ?? RULE.exec(rest);
    if (match === null) {
      throw new SyntaxError('it is made of DEFAULT and RULE:pattern/replacement/[L|U], with commas between');
    }
    rules.push(isDefault === null ? ruleOf(match) : 'DEFAULT');
    rest = rest.slice(match[0].length);
  }
  return rules.length === 0 ? ['DEFAULT'] : rules;
}

function ruleOf([, pattern = '', replacement = '', letters]: RegExpExecArray): Rule {
  const { source, groups, unsteadyGroups } = translatedPattern(pattern);
  const parts = replacementOf(replacement, groups);
  const unsteady = parts.find((part) => typeof part === 'number' && unsteadyGroups.has(part));
  if (unsteady !== undefined) {
    throw new SyntaxError(
      `the pattern ${pattern} repeats or excludes its group ${unsteady}, of which JavaScript and Java remember another part. Put a group around what is repeated, (?:) inside`,
    );
  }
  const fits = new RegExp(`^(?:${source})$`, 'u');
  return {
    fits,
    fitsNothing: fits.test(''),
    replaced: new RegExp(source, 'gu'),
    replacement: parts,
    letters: letters === 'L' || letters === 'U' ? letters : undefined,
  };
}

/** As `Matcher.appendReplacement` reads it: `$n` with as many digits as there are groups for, and `\` before what means itself. */
function replacementOf(replacement: string, groups: number): (string | number)[] {
  const parts: (string | number)[] = [];
  let rest = replacement;
  while (rest !== '') {
    const [text = '', escaped, digits] = /^(?:\\(.)|\$(\d+)|[^\\$]+)/su.exec(rest) ?? [];
    if (text === '') throw new SyntaxError(`the replacement ${replacement} has a $ without a number: write \\$`);
    const group = digits === undefined ? undefined : groupOf(digits, groups);
    if (digits !== undefined && group === undefined) {
      throw new SyntaxError(`the replacement ${replacement} names a group that its pattern does not have: $${digits}`);
    }
    parts.push(group === undefined ? (escaped ?? text) : Number(group));
    rest = rest.slice(group === undefined ? text.length : group.length + 1);
  }
  return parts;
}

function groupOf(digits: string, groups: number): string | undefined {
  for (let length = digits.length; length > 0; length -= 1) {
    const head = digits.slice(0, length);
    if (Number(head) <= groups && (length === 1 || head[0] !== '0')) return head;
  }
  return undefined;
}
