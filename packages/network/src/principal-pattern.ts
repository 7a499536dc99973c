/** A regular expression of Java's as one of JavaScript's, and which of its groups may be spoken of. */
export interface TranslatedPattern {
  /** For the flag `u`, with which one character is one code point, as with Java. */
  readonly source: string;
  readonly groups: number;
  /** Groups whose last text the two languages tell otherwise: repeated ones, and those in what must not be there. */
  readonly unsteadyGroups: ReadonlySet<number>;
}

/** Escaped letters that mean the same to both. */
const SAME_LETTERS = 'dDwWtnrf';
/** Java's `\s`; JavaScript's has the blanks of all scripts. */
const JAVA_BLANKS = ' \\t\\n\\x0B\\f\\r';
const CODE = /^\\(?:x[0-9A-Fa-f]{2}|u(?![Dd][89A-Fa-f])[0-9A-Fa-f]{4})/;
const PUNCTUATION = /^[\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]$/;
const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})/;
const GROUP_START = /^\((?:\?[:=!])?/;

interface OpenGroup {
  readonly start: string;
  /** The numbers of the groups from this one on are those above it. */
  readonly groupsBefore: number;
}

/**
 * Reads an expression of `java.util.regex.Pattern`, and refuses whatever JavaScript reads otherwise.
 * @throws SyntaxError that names it
 */
export function translatedPattern(pattern: string): TranslatedPattern {
  return new Translation(pattern).result();
}

class Translation {
  readonly #pattern: string;
  readonly #open: OpenGroup[] = [];
  readonly #unsteady = new Set<number>();
  #at = 0;
  #source = '';
  #groups = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  result(): TranslatedPattern {
    while (this.#at < this.#pattern.length) this.#part();
    try {
      new RegExp(this.#source, 'u');
    } catch {
      throw new SyntaxError(`the pattern ${this.#pattern} is no regular expression`);
    }
    return { source: this.#source, groups: this.#groups, unsteadyGroups: this.#unsteady };
  }

  #part(): void {
    const rest = this.#pattern.slice(this.#at);
    const quantifier = QUANTIFIER.exec(rest)?.[0];
    if (quantifier !== undefined) {
      this.#quantify(rest, quantifier);
      return;
    }
    const [character = ''] = rest;
    if (character === '\\') this.#take(rest, escapeIn(rest, false) ?? this.#refuse(escapeOf(rest)));
    else if (character === '[') this.#class();
    else if (character === '(') this.#openGroup(rest);
    else if (character === ')') this.#closeGroup();
    else if (character === '{') this.#refuse(character);
    else this.#copy(character, ']}'.includes(character) ? `\\${character}` : character);
  }

  #quantify(rest: string, quantifier: string): void {
    const next = rest[quantifier.length] ?? '';
    if (next === '+') this.#refuse(`${quantifier}+`);
    this.#copy(quantifier, quantifier);
    if (next === '?') this.#copy(next, next);
  }

  #openGroup(rest: string): void {
    const start = GROUP_START.exec(rest)?.[0] ?? '(';
    if (start === '(' && rest[1] === '?') this.#refuse(/^\(\?<?[^)]/.exec(rest)?.[0] ?? '(?');
    this.#open.push({ start, groupsBefore: this.#groups });
    if (start === '(') this.#groups += 1;
    this.#copy(start, start);
  }

  #closeGroup(): void {
    const group = this.#open.pop();
    this.#copy(')', ')');
    if (group === undefined) return;
    const isRepeated = /^[*+{]/.test(this.#pattern.slice(this.#at));
    if (!isRepeated && group.start !== '(?!') return;
    for (let number = group.groupsBefore + 1; number <= this.#groups; number += 1) this.#unsteady.add(number);
  }

  /** A class of characters: in one of JavaScript's there are no others, and none are cut out of it. */
  #class(): void {
    const start = this.#pattern[this.#at + 1] === '^' ? '[^' : '[';
    this.#copy(start, start);
    if (this.#pattern[this.#at] === ']') this.#refuse(`${start}]`);
    for (;;) {
      const rest = this.#pattern.slice(this.#at);
      const [character = ''] = rest;
      if (character === '[') this.#refuse('[ in a class');
      if (rest.startsWith('&&')) this.#refuse('&& in a class');
      if (character === '\\') {
        this.#take(rest, escapeIn(rest, true) ?? this.#refuse(`${escapeOf(rest)} in a class`));
        continue;
      }
      this.#copy(character, character);
      if (character === ']' || character === '') return;
    }
  }

  #take(rest: string, translated: string): void {
    const [code] = CODE.exec(rest) ?? [escapeOf(rest)];
    this.#copy(code, translated);
  }

  #copy(read: string, written: string): void {
    this.#at += read.length;
    this.#source += written;
  }

  #refuse(what: string): never {
    throw new SyntaxError(
      `the pattern ${this.#pattern} has ${what}, which JavaScript reads otherwise than Java, or not at all`,
    );
  }
}

/** The escape that a text begins with. */
function escapeOf(rest: string): string {
  return `\\${[...rest.slice(1, 3)][0] ?? ''}`;
}

/** How JavaScript writes it; undefined where it has nothing that means the same. */
function escapeIn(rest: string, isInClass: boolean): string | undefined {
  const code = CODE.exec(rest)?.[0];
  if (code !== undefined) return code;
  const letter = escapeOf(rest).slice(1);
  if (letter === 's') return isInClass ? JAVA_BLANKS : `[${JAVA_BLANKS}]`;
  if (letter === 'S' && !isInClass) return `[^${JAVA_BLANKS}]`;
  if (letter !== '' && SAME_LETTERS.includes(letter)) return `\\${letter}`;
  if (letter === ' ') return ' ';
  return PUNCTUATION.test(letter) ? punctuation(letter, isInClass) : undefined;
}

/** With the flag `u` only what has a meaning is escaped. */
function punctuation(letter: string, isInClass: boolean): string {
  return '^$\\.*+?()[]{}|/'.includes(letter) || (isInClass && letter === '-') ? `\\${letter}` : letter;
}
