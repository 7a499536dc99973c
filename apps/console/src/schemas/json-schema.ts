/** Holds JSON to the schemas that it names, in a thread that is ended with all that it does when it takes too long. */
import { Worker } from 'node:worker_threads';
import type { ReferencedSchema } from './payload.ts';

/** A schema as the registry keeps it. */
export interface JsonSchema {
  readonly id: number;
  readonly schema: string;
  readonly references: readonly ReferencedSchema[];
}

/** Values for the thread, as text of JSON. */
export interface SchemaRequest extends JsonSchema {
  readonly values: readonly string[];
}

/** What of each value does not fit, nothing where it does; or why that cannot be told. */
export type SchemaAnswer = { readonly faults: readonly (readonly string[])[] } | { readonly failed: string };

/** Whether a value fits its schema: what does not, or why nobody can tell. */
export type Verdict = { readonly faults: readonly string[] } | { readonly unknown: string };

const VALIDATE_MS_MAX = 2000;
/** How long the thread may take to be there: on a machine that is busy that is not the schema's fault. */
const START_MS_MAX = 20_000;
/** Text of values that is looked at at once: one that is longer is looked at by itself. */
const VALUES_CHARS_MAX = 1024 * 1024;
/** A schema that took too long is not tried again for so long, so that it takes no more than a moment of everybody's time. */
const REFUSED_MS = 60_000;
const REFUSED_MAX = 1000;
/** A thread that nobody asks for so long is ended: it is memory. */
const IDLE_MS_MAX = 30_000;
const THREAD_HEAP_MB_MAX = 96;

/** Validates values, one lot after the other. */
export class JsonSchemaValidator {
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Schemas that took too long, and until when they are left alone. */
  readonly #refused = new Map<number, number>();
  readonly #limitMs: number;
  readonly #tooLong: string;

  /** @param limitMs how long a schema may take to be understood and held to some values */
  constructor(limitMs = VALIDATE_MS_MAX) {
    this.#limitMs = limitMs;
    this.#tooLong = `it takes more than ${limitMs / 1000} seconds`;
  }

  /** Never fails: what cannot be told is a verdict too. */
  async validate(schema: JsonSchema, values: readonly string[]): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (let at = 0; at < values.length; ) {
      let end = at + 1;
      for (let chars = values[at]!.length; end < values.length; end += 1) {
        chars += values[end]!.length;
        if (chars > VALUES_CHARS_MAX) break;
      }
      verdicts.push(...(await this.#inTurn(schema, values.slice(at, end))));
      at = end;
    }
    return verdicts;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end();
  }

  #inTurn(schema: JsonSchema, values: readonly string[]): Promise<Verdict[]> {
    const turn = this.#last.then(() => this.#ask(schema, values));
    this.#last = turn;
    return turn;
  }

  async #ask({ id, schema, references }: JsonSchema, values: readonly string[]): Promise<Verdict[]> {
    const untold = (unknown: string): Verdict[] => values.map(() => ({ unknown }));
    if (this.#isClosed) return untold('the console is closing');
    if ((this.#refused.get(id) ?? 0) > performance.now()) return untold(this.#tooLong);
    clearTimeout(this.#idle);
    try {
      const answer = await this.#answer({ id, schema, references, values });
      return 'failed' in answer ? untold(answer.failed) : answer.faults.map((faults) => ({ faults }));
    } catch (error) {
      await this.#end();
      this.#refuse(id);
      return untold(error instanceof Error ? error.message : String(error));
    } finally {
      if (this.#worker !== undefined) this.#idle = setTimeout(() => void this.#end(), IDLE_MS_MAX).unref();
    }
  }

  #refuse(id: number): void {
    this.#refused.delete(id);
    this.#refused.set(id, performance.now() + REFUSED_MS);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest);
  }

  async #answer(request: SchemaRequest): Promise<SchemaAnswer> {
    this.#worker ??= await startWorker();
    const worker = this.#worker;
    return heard(worker, this.#limitMs, this.#tooLong, () => worker.postMessage(request));
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

async function startWorker(): Promise<Worker> {
  const isSource = import.meta.url.endsWith('.ts');
  const file = isSource ? '../schema-worker.ts' : './schema-worker.js';
  const worker = new Worker(new URL(file, import.meta.url), {
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB_MAX },
  });
  // Somebody waits for what it answers, and nobody for the thread itself.
  worker.unref();
  // What goes wrong between two questions is told with the next.
  worker.on('error', () => undefined);
  try {
    await heard(worker, START_MS_MAX, 'its thread did not start', () =>
      worker.postMessage({ id: 0, schema: 'true', references: [], values: ['0'] } satisfies SchemaRequest),
    );
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return worker;
}

/** What the thread says to a question, in time. */
function heard(worker: Worker, limitMs: number, orElse: string, ask: () => void): Promise<SchemaAnswer> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      settle();
    };
    const onMessage = (answer: SchemaAnswer): void => done(() => resolve(answer));
    const onError = (error: Error): void => done(() => reject(new Error(`it was given up: ${error.message}`)));
    const onExit = (): void => done(() => reject(new Error('it was given up')));
    const timer = setTimeout(() => done(() => reject(new Error(orElse))), limitMs);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    ask();
  });
}
