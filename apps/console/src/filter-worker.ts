/** The thread in which filters run: they come from people, and what never ends must not hold up anybody but whoever asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { getQuickJS, type QuickJSContext, type QuickJSHandle } from 'quickjs-emscripten';
import type { FilterAnswer, FilterRequest, FilterSource, FilterText } from './filter.ts';
import { matchesJsonPath, PathFault, parseJsonPath } from './messages/json-path.ts';

// The thread is started with it by filter.ts.
const source = workerData as FilterSource;
const answer = (message: FilterAnswer): void => parentPort?.postMessage(message);

/** What a filter may keep in memory. */
const FILTER_BYTES_MAX = 32 * 1024 * 1024;
const FILTER_STACK_BYTES_MAX = 512 * 1024;

type Matches = (record: string) => boolean;

let made: Promise<Matches> | undefined;
parentPort?.on('message', async ({ records }: FilterRequest) => {
  try {
    made ??= matcherOf(source);
    const matches = await made;
    answer({ matched: records.map((record) => matches(record)) });
  } catch (error) {
    const said = error instanceof PathFault ? error.said : undefined;
    answer({ failed: error instanceof Error ? error.message : String(error), said });
  }
});
// How long the thread and its engine take to be there is not what the filter takes: nothing of it has been looked at yet.
if (source.kind === 'javascript') await getQuickJS();
answer({ matched: [] });

async function matcherOf({ kind, text }: FilterSource): Promise<Matches> {
  if (kind === 'regex') return regexMatcher(text);
  return kind === 'jsonpath' ? pathMatcher(text) : scriptMatcher(text);
}

/** A path into key, value or headers. */
function pathMatcher(text: string): Matches {
  const path = parseJsonPath(text);
  return (record) => matchesJsonPath(path, recordOf(record));
}

function recordOf(json: string): FilterText {
  // Made by filter.ts in this form.
  return JSON.parse(json) as FilterText;
}

/** The expression is held against key, value and headers, each by itself. */
function regexMatcher(text: string): Matches {
  const pattern = new RegExp(text, 'u');
  return (record) => {
    const { key, value, headers, also = [] } = recordOf(record);
    return (
      pattern.test(key ?? '') ||
      pattern.test(value ?? '') ||
      also.some((text) => pattern.test(text)) ||
      headers.some(([name, text]) => pattern.test(`${name}: ${text ?? ''}`))
    );
  };
}

/**
 * JavaScript in an engine of its own, compiled to WebAssembly: it has no files, no network and no way to this process, whatever it does
 * to prototypes. Node's `vm` would not keep it in.
 */
async function scriptMatcher(text: string): Promise<Matches> {
  const engine = await getQuickJS();
  const runtime = engine.newRuntime();
  runtime.setMemoryLimit(FILTER_BYTES_MAX);
  runtime.setMaxStackSize(FILTER_STACK_BYTES_MAX);
  const context = runtime.newContext();
  const body = /\breturn\b/.test(text) ? text : `return (${text}\n)`;
  const made = context.evalCode(
    // What a script does to what all objects have, it does to its own world, in which the next record is made: so nothing of that is used.
    `((parse, define) => (record) => { const r = parse(record); r.key ??= ''; r.value ??= ''; ` +
      // Of a name that is there several times an object holds the last: the pairs hold all.
      `const headers = {}, pairs = []; for (let at = 0; at < r.headers.length; at += 1) { ` +
      `const name = r.headers[at][0], value = r.headers[at][1] ?? ''; pairs[at] = [name, value]; ` +
      `define(headers, name, { value, enumerable: true, writable: true, configurable: true }) } ` +
      `r.headers = headers; r.headerPairs = pairs; let json; try { json = parse(r.value) } catch {} ` +
      `return ((key, value, headers, headerPairs, record) => { ${body} })` +
      `(r.key, json ?? r.value, headers, pairs, r) ? true : false })(JSON.parse, Object.defineProperty)`,
  );
  const filter = context.unwrapResult(made);
  return (record) => callFilter(context, filter, record);
}

function callFilter(context: QuickJSContext, filter: QuickJSHandle, record: string): boolean {
  const argument = context.newString(record);
  const result = context.callFunction(filter, context.undefined, argument);
  argument.dispose();
  if (result.error) {
    const error = context.dump(result.error);
    result.error.dispose();
    throw new Error(typeof error === 'object' ? `${error.name}: ${error.message}` : String(error));
  }
  const isMatch = context.dump(result.value) === true;
  result.value.dispose();
  return isMatch;
}
