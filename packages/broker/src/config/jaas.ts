/** What a `sasl.jaas.config` says: one login module and its options. */
export interface JaasEntry {
  readonly module: string;
  readonly options: ReadonlyMap<string, string>;
}

const FLAGS = ['required', 'requisite', 'sufficient', 'optional'];

/** Words, quoted texts, and the two signs; comments of either kind are passed over. */
const TOKENS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"((?:[^"\\]|\\[\s\S])*)"|'((?:[^'\\]|\\[\s\S])*)'|([=;])|([^\s=;"']+)/g;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

interface Token {
  readonly text: string;
  readonly isSign: boolean;
}

/**
 * Reads `Class required key="value" ...;` as Kafka's `JaasConfig` does. Messages never repeat what is in it: it holds passwords.
 * @throws SyntaxError
 */
export function parseJaas(text: string): JaasEntry {
  const tokens = tokensOf(text);
  let at = 0;
  const next = (what: string): Token => {
    const token = tokens[at];
    at += 1;
    if (token === undefined) throw new SyntaxError(`it ends where ${what} should stand`);
    return token;
  };
  const module = word(next('the class of a login module'));
  const flag = word(next('a control flag')).toLowerCase();
  if (!FLAGS.includes(flag)) throw new SyntaxError(`after the class stands one of ${FLAGS.join(', ')}`);
  const options = new Map<string, string>();
  for (let token = next('a semicolon'); token.text !== ';' || !token.isSign; token = next('a semicolon')) {
    const key = word(token);
    const sign = next('an equals sign');
    if (!sign.isSign || sign.text !== '=') throw new SyntaxError('an option has the form key="value"');
    options.set(key, word(next('a value')));
  }
  if (at < tokens.length) {
    throw new SyntaxError('there is more than one login module in it, or something behind the semicolon');
  }
  return { module, options };
}

function word({ text, isSign }: Token): string {
  if (isSign) throw new SyntaxError(`there is a ${text} where a word should stand`);
  return text;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (text.slice(end, match.index).trim() !== '') throw new SyntaxError('a quote is not closed');
    end = match.index + match[0].length;
    const [, double, single, sign, plain] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ text: unescaped(quoted), isSign: false });
    else if (sign !== undefined) tokens.push({ text: sign, isSign: true });
    else if (plain !== undefined) tokens.push({ text: plain, isSign: false });
  }
  if (text.slice(end).trim() !== '') throw new SyntaxError('a quote is not closed');
  return tokens;
}

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
