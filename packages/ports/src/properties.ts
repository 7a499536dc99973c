/** A file that cannot be one of settings; its message goes on behind the file's name: `is ...`. */
export class NoPropertiesError extends Error {
  override readonly name = 'NoPropertiesError';
  readonly code = 'NO_PROPERTIES';
}

/**
 * The text of a `.properties` file. A mark in front that says that it is UTF-8 is no part of it; what is not UTF-8 is read as Java reads
 * all of them (ISO 8859-1).
 * @throws NoPropertiesError for text in UTF-16, other binary data, and JSON: read as settings, they would set nothing and look done
 */
export function propertiesText(bytes: Uint8Array): string {
  if (bytes.includes(0)) {
    throw new NoPropertiesError('is not a text file in UTF-8: it has zero bytes, as text in UTF-16 has');
  }
  const text = decoded(bytes);
  if (BINARY.test(text)) throw new NoPropertiesError('is not text: it has control characters, as binary files have');
  if (text.trimStart().startsWith('{')) throw new NoPropertiesError('looks like JSON: write lines of name=value');
  return text;
}

/** What no text has, in whatever encoding: control characters but for white space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BINARY = /[\x00-\x08\x0e-\x1f\x7f]/;

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

/**
 * Reads the text of a `.properties` file, as `java.util.Properties` does: `#` and `!` begin comments, `=`, `:` or
 * white space divides name from value, a backslash at a line's end continues the line, and `\t \n \r \f \uXXXX` and
 * `\` before any other character are escapes. A name that comes twice has its last value.
 */
export function parseProperties(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const nameEnd = endOfName(line);
    let valueStart = nameEnd;
    while (isSpace(line[valueStart])) valueStart += 1;
    if (line[valueStart] === '=' || line[valueStart] === ':') valueStart += 1;
    while (isSpace(line[valueStart])) valueStart += 1;
    // Java keeps blanks at a value's end, and Kafka trims them when it reads the value.
    settings.set(unescaped(line.slice(0, nameEnd)), unescaped(line.slice(valueStart)).trim());
  }
  return settings;
}

function* logicalLines(text: string): Generator<string> {
  let pending = '';
  let isContinued = false;
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const line = natural.replace(/^[ \t\f]+/, '');
    if (!isContinued && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue;
    isContinued = endsInsideEscape(line);
    pending += isContinued ? line.slice(0, -1) : line;
    if (isContinued) continue;
    if (pending !== '') yield pending;
    pending = '';
  }
  if (pending !== '') yield pending;
}

/** Whether the line ends with an odd number of backslashes: an even number stands for backslashes of its own. */
function endsInsideEscape(line: string): boolean {
  let count = 0;
  while (line[line.length - 1 - count] === '\\') count += 1;
  return count % 2 === 1;
}

function endOfName(line: string): number {
  let at = 0;
  while (at < line.length) {
    const character = line[at];
    if (character === '=' || character === ':' || isSpace(character)) break;
    at += character === '\\' ? 2 : 1;
  }
  return Math.min(at, line.length);
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\f';
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex: string | undefined, character: string) =>
    hex === undefined ? (ESCAPES[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
