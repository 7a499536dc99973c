/** One rule of `ssl.principal.mapping.rules`. */
interface Rule {
  readonly pattern: RegExp;
  readonly replacement: string;
  readonly letters: 'L' | 'U' | undefined;
}

/** A certificate's name is no longer than this where it is held against rules: their expressions are an operator's, the name is not. */
const NAME_LENGTH_MAX = 4096;
/** What Java's regular expressions know and JavaScript's read otherwise. */
const ONLY_JAVA = /\\[QEAZzG]|[*+?}]\+|\(\?[a-zA-Z]|\\p\{(?:javaL|Alpha|Lower|Upper|Digit|Alnum|Punct)/;

/**
 * Reads `ssl.principal.mapping.rules` (`SslPrincipalMapper`): `DEFAULT`, or `RULE:pattern/replacement/` with `L` or `U` behind for small
 * or capital letters. The first whose pattern fits the whole name counts; undefined where none does.
 * @throws SyntaxError
 */
export function principalMapping(text: string): (distinguishedName: string) => string | undefined {
  const rules = rulesOf(text.trim());
  return (name) => {
    if (name.length > NAME_LENGTH_MAX) return undefined;
    for (const rule of rules) {
      if (rule === 'DEFAULT') return name;
      const match = rule.pattern.exec(name);
      if (match === null) continue;
      const mapped = rule.replacement.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '');
      return rule.letters === 'L' ? mapped.toLowerCase() : rule.letters === 'U' ? mapped.toUpperCase() : mapped;
    }
    return undefined;
  };
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
  if (ONLY_JAVA.test(pattern)) {
    throw new SyntaxError(`the pattern ${pattern} means something else in JavaScript than in Java`);
  }
  return {
    pattern: new RegExp(`^(?:${pattern.replaceAll('\\/', '/')})$`),
    replacement: replacement.replaceAll('\\/', '/'),
    letters: letters === 'L' || letters === 'U' ? letters : undefined,
  };
}
