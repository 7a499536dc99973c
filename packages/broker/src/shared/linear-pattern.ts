/**
 * Regular expressions of clients, in the words of RE2/J, which Kafka takes for them: a match takes time by the length of the text and of the
 * pattern, whatever they are. JavaScript's own may take for ever, and a broker is there for others, too.
 */

/** How many steps a pattern may have; repetitions such as `{1000}` count as often as they say. */
export const PATTERN_STEPS_MAX = 1000;
/** How often a part may be repeated by number, as in RE2. */
const REPEATS_MAX = 1000;
const DEPTH_MAX = 50;

/** A pattern that is none, or says more than can be looked for in good time. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

type Matches = (codePoint: number) => boolean;
type Place = 'begin' | 'end' | 'word' | 'inside';

type Part =
  | { readonly kind: 'one'; readonly matches: Matches }
  | { readonly kind: 'at'; readonly place: Place }
  | { readonly kind: 'all' | 'either'; readonly parts: readonly Part[] }
  | { readonly kind: 'repeated'; readonly part: Part; readonly least: number; readonly most: number };

type Step =
  | { readonly kind: 'one'; readonly matches: Matches; readonly next: number }
  | { readonly kind: 'at'; readonly place: Place; readonly next: number }
  | { readonly kind: 'fork'; next: readonly number[] }
  | { readonly kind: 'done' };

/** A pattern that the whole of a text has to match. */
export class LinearPattern {
  readonly #steps: Step[] = [{ kind: 'done' }];
  readonly #first: number;

  /** @throws PatternError */
  constructor(pattern: string) {
    this.#first = this.#compile(new PatternParser(pattern).parse(), 0);
  }

  matches(text: string): boolean {
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
    let now = this.#closure([this.#first], points, 0);
    for (let at = 0; at < points.length && now.size > 0; at += 1) {
      const next: number[] = [];
      for (const index of now) {
        const step = this.#steps[index];
        if (step?.kind === 'one' && step.matches(points[at] ?? 0)) next.push(step.next);
      }
      now = this.#closure(next, points, at + 1);
    }
    return now.has(0);
  }

  /** All steps that are come to without a further character. */
  #closure(from: readonly number[], points: readonly number[], at: number): Set<number> {
    const reached = new Set<number>();
    const waiting = [...from];
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (reached.has(index)) continue;
      reached.add(index);
      const step = this.#steps[index];
      if (step?.kind === 'fork') waiting.push(...step.next);
      else if (step?.kind === 'at' && isAt(step.place, points, at)) waiting.push(step.next);
    }
    return reached;
  }

  /** The step with which a part begins that goes on at `next`. */
  #compile(part: Part, next: number): number {
    switch (part.kind) {
      case 'one':
        return this.#add({ kind: 'one', matches: part.matches, next });
      case 'at':
        return this.#add({ kind: 'at', place: part.place, next });
      case 'all':
        return part.parts.reduceRight((behind, each) => this.#compile(each, behind), next);
      case 'either':
        return this.#add({ kind: 'fork', next: part.parts.map((each) => this.#compile(each, next)) });
      case 'repeated':
        return this.#compileRepeated(part.part, part.least, part.most, next);
    }
  }

  #compileRepeated(part: Part, least: number, most: number, next: number): number {
    let begin = next;
    if (most === Number.POSITIVE_INFINITY) {
      const fork: Step = { kind: 'fork', next: [] };
      begin = this.#add(fork);
      fork.next = [this.#compile(part, begin), next];
    } else {
      for (let count = least; count < most; count += 1) {
        begin = this.#add({ kind: 'fork', next: [this.#compile(part, begin), next] });
      }
    }
    for (let count = 0; count < least; count += 1) begin = this.#compile(part, begin);
    return begin;
  }

  #add(step: Step): number {
    if (this.#steps.length > PATTERN_STEPS_MAX) {
      throw new PatternError(`The pattern has more than ${PATTERN_STEPS_MAX} steps with its repetitions`);
    }
    return this.#steps.push(step) - 1;
  }
}

function isAt(place: Place, points: readonly number[], at: number): boolean {
  if (place === 'begin') return at === 0;
  if (place === 'end') return at === points.length;
  const isBorder = isWord(points[at - 1] ?? 0) !== isWord(points[at] ?? 0);
  return isBorder === (place === 'word');
}

function isWord(point: number): boolean {
  return isDigit(point) || (point >= 65 && point <= 90) || (point >= 97 && point <= 122) || point === 95;
}

function isDigit(point: number): boolean {
  return point >= 48 && point <= 57;
}

function isSpace(point: number): boolean {
  return point === 32 || (point >= 9 && point <= 13 && point !== 11);
}

const CLASSES: ReadonlyMap<string, Matches> = new Map([
  ['d', isDigit],
  ['w', isWord],
  ['s', isSpace],
  ['D', (point: number) => !isDigit(point)],
  ['W', (point: number) => !isWord(point)],
  ['S', (point: number) => !isSpace(point)],
]);
const PLACES: ReadonlyMap<string, Place> = new Map([
  ['b', 'word'],
  ['B', 'inside'],
  ['A', 'begin'],
  ['z', 'end'],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['t', 9],
  ['n', 10],
  ['v', 11],
  ['f', 12],
  ['r', 13],
  ['a', 7],
]);

/** What a group may begin with beside its parts. */
const GROUP = /^\?(?::|P?<[A-Za-z0-9_]+>)/;
const COUNTS = /^\{(\d+)(,(\d*))?\}/;
const HEX = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/;

/** The same pattern with what stands between \\Q and \\E as single characters that mean themselves. */
function unquoted(pattern: string): string {
  return pattern.replace(QUOTED, (all, quoted?: string) => quoted?.replace(PUNCTUATION, '\\$&') ?? all);
}

const QUOTED = /\\Q([\s\S]*?)(?:\\E|$)|\\[\s\S]/g;
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

class PatternParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = unquoted(text);
  }

  parse(): Part {
    const part = this.#either();
    if (this.#at < this.#text.length) throw this.#error('a ) too many');
    return part;
  }

  #either(): Part {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw this.#error(`groups in more than ${DEPTH_MAX} others`);
    const parts = [this.#all()];
    while (this.#takes('|')) parts.push(this.#all());
    this.#depth -= 1;
    return parts.length === 1 ? parts[0]! : { kind: 'either', parts };
  }

  #all(): Part {
    const parts: Part[] = [];
    while (this.#at < this.#text.length && !this.#isNext('|') && !this.#isNext(')')) parts.push(this.#repeated());
    return { kind: 'all', parts };
  }

  #repeated(): Part {
    const part = this.#atom();
    const counts = this.#counts();
    if (counts === undefined) return part;
    // As little as can be, or as much: the same texts match.
    this.#takes('?');
    if (this.#counts() !== undefined) throw this.#error('a repetition of a repetition');
    const [least, most] = counts;
    return { kind: 'repeated', part, least, most };
  }

  #counts(): readonly [number, number] | undefined {
    if (this.#takes('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#takes('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#takes('?')) return [0, 1];
    const found = COUNTS.exec(this.#text.slice(this.#at, this.#at + 20));
    if (found === null) return undefined;
    this.#at += found[0].length;
    const least = Number(found[1]);
    const open = found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    const most = found[2] === undefined ? least : open;
    const isTooMany = least > REPEATS_MAX || (most > REPEATS_MAX && most !== Number.POSITIVE_INFINITY);
    if (isTooMany || most < least) throw this.#error('a repetition that cannot be');
    return [least, most];
  }

  #atom(): Part {
    const character = this.#take();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'one', matches: this.#set() };
      case '.':
        return { kind: 'one', matches: (point) => point !== 10 };
      case '^':
        return { kind: 'at', place: 'begin' };
      case '$':
        return { kind: 'at', place: 'end' };
      case '\\':
        return this.#escaped();
      case '*':
      case '+':
      case '?':
        throw this.#error('nothing to repeat');
      default:
        return one(character);
    }
  }

  #group(): Part {
    if (this.#isNext('?')) {
      const found = GROUP.exec(this.#text.slice(this.#at));
      if (found === null) throw this.#error('a kind of group that is not supported');
      this.#at += found[0].length;
    }
    const part = this.#either();
    if (!this.#takes(')')) throw this.#error('a ) is missing');
    return part;
  }

  #escaped(): Part {
    const next = this.#text[this.#at] ?? '';
    const place = PLACES.get(next);
    const matches = CLASSES.get(next);
    if (place === undefined && matches === undefined) return oneOf(this.#escapedPoint());
    this.#at += 1;
    return place === undefined ? { kind: 'one', matches: matches! } : { kind: 'at', place };
  }

  /** The character that is meant behind a backslash. */
  #escapedPoint(): number {
    const hex = HEX.exec(this.#text.slice(this.#at, this.#at + 10));
    if (hex !== null) {
      this.#at += hex[0].length;
      return Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
    }
    const character = this.#take();
    const control = CONTROLS.get(character);
    if (control !== undefined) return control;
    if (character === '' || /[A-Za-z0-9]/.test(character)) throw this.#error(`\\${character} means nothing`);
    return character.codePointAt(0) ?? 0;
  }

  /** What stands between [ and ]. */
  #set(): Matches {
    const isNegated = this.#takes('^');
    const members: Matches[] = [];
    for (let isFirst = true; isFirst || !this.#isNext(']'); isFirst = false) {
      if (this.#at >= this.#text.length) throw this.#error('a ] is missing');
      members.push(this.#member());
    }
    this.#at += 1;
    return (point) => members.some((matches) => matches(point)) !== isNegated;
  }

  #member(): Matches {
    if (this.#isNext('[') && this.#text[this.#at + 1] === ':') throw this.#error('a named class');
    const least = this.#memberPoint();
    if (typeof least === 'function') return least;
    const isRange = this.#isNext('-') && this.#text[this.#at + 1] !== ']' && this.#at + 1 < this.#text.length;
    if (!isRange) return (point) => point === least;
    this.#at += 1;
    const most = this.#memberPoint();
    if (typeof most === 'function' || most < least) throw this.#error('a range that is none');
    return (point) => point >= least && point <= most;
  }

  #memberPoint(): number | Matches {
    const character = this.#take();
    if (character !== '\\') return character.codePointAt(0) ?? 0;
    const matches = CLASSES.get(this.#text[this.#at] ?? '');
    if (matches === undefined) return this.#escapedPoint();
    this.#at += 1;
    return matches;
  }

  #isNext(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  #takes(character: string): boolean {
    if (!this.#isNext(character)) return false;
    this.#at += 1;
    return true;
  }

  /** The next character, of whatever plane; empty at the end. */
  #take(): string {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return '';
    const character = String.fromCodePoint(point);
    this.#at += character.length;
    return character;
  }

  #error(what: string): PatternError {
    return new PatternError(`The pattern has ${what} at character ${this.#at}`);
  }
}

function one(character: string): Part {
  return oneOf(character.codePointAt(0) ?? 0);
}

function oneOf(wanted: number): Part {
  return { kind: 'one', matches: (point) => point === wanted };
}
