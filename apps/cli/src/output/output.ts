import { failure } from '../errors.ts';
import { type CliIo, isReaderGone, type OutputStream } from '../io.ts';
import { type Paint, paintFor, takesColor } from './paint.ts';
import { Progress } from './progress.ts';

/** How the program is to speak. */
export interface OutputSettings {
  /** Values for scripts instead of text for people. */
  readonly json: boolean;
  /** No more than the result itself. */
  readonly quiet: boolean;
}

/** Where a command puts its result (standard output) and what it says about it (standard error). */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly paint: Paint;
  readonly #errorPaint: Paint;
  readonly #io: CliIo;

  constructor(io: CliIo, { json, quiet }: OutputSettings) {
    this.#io = io;
    this.json = json;
    this.quiet = quiet;
    this.paint = paintFor(takesColor(io.stdout, io.env));
    this.#errorPaint = paintFor(takesColor(io.stderr, io.env));
  }

  /** The command's result: `value` for scripts, `text` for people. */
  async result(value: unknown, text: (paint: Paint) => string): Promise<void> {
    await this.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : lineOf(text(this.paint)));
  }

  /** What was done, where the doing itself is the result: on standard output, and left out when quiet. */
  async done(value: unknown, text: (paint: Paint) => string): Promise<void> {
    if (this.json || !this.quiet) await this.result(value, text);
  }

  /** Part of a result; resolves when it is written: with false when nobody is there any more to read it. */
  write(chunk: string | Uint8Array): Promise<boolean> {
    return written(this.#io.stdout, chunk);
  }

  /** Something beside the result: a summary, what to do next. Not said to scripts that want no more than the result. */
  note(text: string): void {
    if (!this.quiet && !this.json) this.#io.stderr.write(lineOf(this.#errorPaint.dim(text)));
  }

  /** Something that should be known even so. */
  warn(text: string): void {
    if (!this.quiet) this.#io.stderr.write(lineOf(`${this.#errorPaint.yellow('warning:')} ${text}`));
  }

  /**
   * A line that follows long work, on a terminal only; and not on one where somebody types, or records are printed.
   * @param besides The other stream of the work, where it has one.
   */
  progress(text: () => string, besides?: 'stdin' | 'stdout'): Progress {
    const isFree = besides === undefined || this.#io[besides].isTTY !== true;
    const shown = this.#io.stderr.isTTY === true && isFree && !this.quiet && !this.json;
    return new Progress(shown ? this.#io.stderr : undefined, text);
  }
}

/**
 * Writes, waits for the reader where it is slow, and tells whether there is one.
 * @throws CliError when it cannot be written for another reason, as on a full disk
 */
export function written(stream: OutputStream, chunk: string | Uint8Array): Promise<boolean> {
  if (chunk.length === 0) return Promise.resolve(!stream.destroyed);
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (error === null || error === undefined) resolve(true);
      else if (isReaderGone(error)) resolve(false);
      else reject(failure(`Cannot write the output: ${error.message}`, undefined, error));
    });
  });
}

function lineOf(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
