/** Files of all that a search finds: the download itself, how far it is, and its end before its time. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod/v3';
import type { ExportProgress } from '../api/contract.ts';
import { EXPORT_RECORDS_MAX } from '../api/export-bounds.ts';
import { FILE_FORMATS, type FileFormat } from '../api/message-file.ts';
import { exportMessages } from '../messages/export.ts';
import { Turns } from '../messages/turns.ts';
import { clusterOf, type HandlerContext } from './handlers.ts';
import { exportId, readPlan } from './inputs.ts';
import { failureOf, parseInput, signalOf, writeByHand, written } from './requests.ts';

/** Files that are written at once: of all, and of one person. */
const EXPORTS_MAX = 8;
const EXPORTS_EACH_MAX = 2;
const WAIT_MS_MAX = 1000;
/** Files of which it is known how they ended; the oldest are forgotten. */
const KNOWN_MAX = 64;

/** Nobody has asked for the file yet, or it is forgotten. */
const NONE: ExportProgress = {
  ...{ state: 'waiting', scanned: 0, total: 0, found: 0, bytes: 0, bound: null, unread: [] },
};

/** A file that is being written, or was. */
export interface KnownExport {
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

/** Where exports find what they read, and who may. */
interface ExportsFrom extends Pick<HandlerContext, 'clusters' | 'turns' | 'exports'> {
  readonly mayRead: (request: FastifyRequest, topic: string) => string;
}

const exportPlan = readPlan.omit({ cursor: true, limit: true }).extend({
  format: z.enum(FILE_FORMATS),
  limit: z.coerce.number().int().min(1).max(EXPORT_RECORDS_MAX).optional(),
  id: exportId.optional(),
  /** The file is wanted though partitions could not be read: who asks is told of them by its progress. */
  partial: z.enum(['true', 'false']).optional(),
});

/** Any program can keep a file of this name. */
function headersOf(topic: string, format: FileFormat): Record<string, string> {
  const name = topic.replace(/[^\w.-]/g, '_');
  return { 'content-type': TYPES[format], 'content-disposition': `attachment; filename="${name}.${format}"` };
}

const TYPES = { jsonl: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8' } as const;

/**
 * `GET .../export`: the file. One that is not whole does not end as a whole one does: its connection breaks off, so that no program takes
 * it for all that there is.
 */
export function serveExports(app: FastifyInstance, from: ExportsFrom): void {
  app.get('/api/clusters/:cluster/topics/:topic/export', async (request, reply) => {
    const { cluster, topic, format, id, partial, ...plan } = parseInput(exportPlan, request);
    const who = from.mayRead(request, topic);
    const stopped = new AbortController();
    const { raw } = reply;
    const known = from.exports.begin(who, id, () => {
      stopped.abort();
      // Whoever reads slowly has it wait to be written.
      raw.destroy();
    });
    const signal = AbortSignal.any([signalOf(request, reply), stopped.signal]);
    const write = async (text: string): Promise<void> => {
      if (!raw.headersSent) writeByHand(reply, headersOf(topic, format));
      if (!signal.aborted) await written(raw, text);
    };
    try {
      using _ = await from.exports.turns.take(who);
      const { turns } = from;
      const read = { cluster: clusterOf(from, cluster), topic, plan, signal, who, turns };
      const end = await exportMessages(read, {
        ...{ format, write },
        progress: (count) => void Object.assign(known, { progress: { ...known.progress, ...count } }),
      });
      const isWhole = !signal.aborted && (end.unread.length === 0 || partial === 'true');
      known.progress = { ...known.progress, ...end, state: signal.aborted ? 'stopped' : 'done' };
      await write('');
      if (isWhole) raw.end();
      else raw.destroy();
    } catch (error) {
      const { status: _, ...failure } = failureOf(error);
      known.progress = { ...known.progress, state: 'failed', failure };
      if (!raw.headersSent) throw error;
      raw.destroy();
    }
  });
}
