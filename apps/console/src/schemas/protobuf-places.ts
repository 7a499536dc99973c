/**
 * The places of the messages of a Protobuf file, by which bytes name one of them. Compilers make a message of each map (its entry) and
 * count it where the map stands, and serializers count what compilers have made.
 */
import protobuf from 'protobufjs';

/** A message within its file, with those in it, in the order of their places. */
export interface MessagePlace {
  readonly name: string;
  /** The entry of a map: nobody writes one by itself. */
  readonly isMapEntry: boolean;
  readonly nested: MessagePlace[];
}

/** Messages within messages that are gone into: no schema has more. */
export const DEPTH_MAX = 32;

/** What begins a block that holds no messages. */
const BLOCKS: ReadonlySet<string> = new Set(['enum', 'oneof', 'extend', 'service']);

/**
 * Reads the places of a file whose grammar has been found to be right.
 * @throws Error for messages that are nested too deeply
 */
export function messagePlaces(schema: string): MessagePlace[] {
  const tokens = protobuf.tokenize(schema, false);
  const places: MessagePlace[] = [];
  readBody(tokens, places, 0);
  return places;
}

type Tokens = ReturnType<typeof protobuf.tokenize>;

/** Statements up to the end of a block, or of the file. */
function readBody(tokens: Tokens, into: MessagePlace[], depth: number): void {
  if (depth > DEPTH_MAX) throw new Error(`its messages are nested more than ${DEPTH_MAX} deep`);
  for (let token = tokens.next(); token !== null && token !== '}'; token = tokens.next()) {
    if (token === ';') continue;
    if (token === 'message') {
      into.push(readMessage(tokens, depth));
    } else if (token === 'map' && tokens.peek() === '<') {
      into.push({ name: '', isMapEntry: true, nested: [] });
      skipStatement(tokens);
    } else if (BLOCKS.has(token)) {
      skipStatement(tokens);
    } else {
      readOther(tokens, into, depth);
    }
  }
}

function readMessage(tokens: Tokens, depth: number): MessagePlace {
  const place: MessagePlace = { name: tokens.next() ?? '', isMapEntry: false, nested: [] };
  // The brace.
  tokens.next();
  readBody(tokens, place.nested, depth + 1);
  return place;
}

/** A field, an option or alike; a group is a message and a field in one. */
function readOther(tokens: Tokens, into: MessagePlace[], depth: number): void {
  if (tokens.peek() !== 'group') {
    skipStatement(tokens);
    return;
  }
  tokens.next();
  const place: MessagePlace = { name: tokens.next() ?? '', isMapEntry: false, nested: [] };
  for (let token = tokens.next(); token !== null && token !== '{'; token = tokens.next()) {
    if (token === ';') return;
  }
  readBody(tokens, place.nested, depth + 1);
  into.push(place);
}

/** To the semicolon or the end of the block, whichever ends it; values of options have braces too, and what is in them ends nothing. */
function skipStatement(tokens: Tokens): void {
  let depth = 0;
  let isOption = false;
  for (let token = tokens.next(); token !== null; token = tokens.next()) {
    if (token === '"' || token === "'") {
      // What stands in it, and its end.
      tokens.next();
      tokens.next();
      continue;
    }
    if (token === '=' && depth === 0) isOption = true;
    if (token === '{') depth += 1;
    else if (token === '}') depth -= 1;
    if (depth === 0 && (token === ';' || (token === '}' && !isOption))) return;
  }
}
