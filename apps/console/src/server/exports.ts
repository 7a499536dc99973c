/** Files of all that a search finds: the download itself, how far it is, and its end before its time. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod/v3';
import { EXPORT_RECORDS_MAX } from '../api/export-bounds.ts';
import { FILE_FORMATS, type FileFormat } from '../api/message-file.ts';
import { exportMessages } from '../messages/export.ts';
import { clusterOf, type HandlerContext } from './handlers.ts';
import { exportId, readPlan } from './inputs.ts';
import { failureOf, parseInput, signalOf, writeByHand, written } from './requests.ts';
import type { MayRead } from './streams.ts';

/** Where exports find what they read, and who may. */
interface ExportsFrom extends Pick<HandlerContext, 'clusters' | 'turns' | 'exports'> {
  readonly mayRead: MayRead;
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
    const { who, ended } = from.mayRead(request, topic);
    const stopped = new AbortController();
    const { raw } = reply;
    const known = from.exports.begin(who, id, () => stopped.abort());
    const signal = AbortSignal.any([signalOf(request, reply, ended), stopped.signal]);
    // Whoever reads slowly has it wait to be written.
    signal.addEventListener('abort', () => raw.destroy());
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
