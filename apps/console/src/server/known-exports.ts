/** The files that are being written, and how far they are. */
import type { ExportProgress } from '../api/contract.ts';
import { Turns } from '../messages/turns.ts';

/** Files that are written at once: of all, and of one person. */
const EXPORTS_MAX = 8;
const EXPORTS_EACH_MAX = 2;
const WAIT_MS_MAX = 1000;
/** Files of which it is known how they ended; the oldest are forgotten. */
const KNOWN_MAX = 64;

/** Nobody has asked for the file yet, or it is forgotten. */
const NONE: ExportProgress = {
  ...{ state: 'waiting', scanned: 0, total: 0, inPart: 0, found: 0, bytes: 0, bound: null, unread: [] },
};

/** A file that is being written, or was. */
interface KnownExport {
  progress: ExportProgress;
  stop(): void;
}

/** The files of one console, each known to who has asked for it and nobody else. */
export class Exports {
  readonly turns = new Turns({
    what: { own: 'ownExports', all: 'allExports' },
    ...{ max: EXPORTS_MAX, eachMax: EXPORTS_EACH_MAX, waitMsMax: WAIT_MS_MAX },
  });
  readonly #known = new Map<string, KnownExport>();

  /** Notes a file; one without an id nobody asks for. */
  begin(who: string, id: string | undefined, stop: () => void): KnownExport {
    const known: KnownExport = { progress: { ...NONE, state: 'running' }, stop };
    if (id === undefined) return known;
    this.#known.set(keyOf(who, id), known);
    for (const [key, { progress }] of this.#known) {
      if (this.#known.size <= KNOWN_MAX) break;
      if (progress.state !== 'running') this.#known.delete(key);
    }
    return known;
  }

  progressOf(who: string, id: string): ExportProgress {
    return this.#known.get(keyOf(who, id))?.progress ?? NONE;
  }

  stop(who: string, id: string): void {
    this.#known.get(keyOf(who, id))?.stop();
  }
}

function keyOf(who: string, id: string): string {
  return JSON.stringify([who, id]);
}
