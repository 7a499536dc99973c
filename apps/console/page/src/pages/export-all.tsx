import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import type { ExportProgress, ReadPlan } from '../../../src/api/contract.ts';
import { EXPORT_BYTES_MAX, EXPORT_PART_BYTES_MAX, EXPORT_RECORDS_MAX } from '../../../src/api/export-bounds.ts';
import type { FileFormat } from '../../../src/api/message-file.ts';
import { addressOf, call, queryOf } from '../lib/api.ts';
import { ApiError } from '../lib/api-error.ts';
import { bytes, number } from '../lib/format.ts';
import { useWords } from '../lib/settings.ts';
import { InPart } from '../ui/in-part.tsx';
import { Dialog, Field, Problem } from '../ui/parts.tsx';

/** How often it is asked how far the file is. */
const ASKED_EVERY_MS = 400;
/** So often a download that the server does not know of yet is waited for. */
const WAITING_MAX = 25;

/** Which messages of which topic. */
export interface ExportPlace extends Omit<ReadPlan, 'cursor' | 'limit'> {
  readonly cluster: string;
  readonly topic: string;
}

/** Gives all that a plan finds as a file: the browser takes it down, and how far it is stands here. */
export default function ExportAll({ place, onClose }: { place: ExportPlace; onClose: () => void }): ReactNode {
  const say = useWords();
  const [format, setFormat] = useState<FileFormat>('jsonl');
  const { progress, error, begin, stop } = useExport(place);
  const isRunning = progress?.state === 'waiting' || progress?.state === 'running';
  const isAll = (place.from === 'newest' || place.from === 'beginning') && place.search === undefined;
  const start = (event: FormEvent): void => {
    event.preventDefault();
    begin(format);
  };
  const bounds = {
    n: number(EXPORT_RECORDS_MAX),
    size: bytes(EXPORT_BYTES_MAX),
    part: bytes(EXPORT_PART_BYTES_MAX),
  };
  return (
    <Dialog title={say('exportAll')} onClose={onClose}>
      <form onSubmit={start}>
        <p>{say(isAll && place.partition === undefined ? 'exportAllHint' : 'exportFoundHint')}</p>
        <Field label={say('format')}>
          <select value={format} disabled={isRunning} onChange={(event) => setFormat(event.target.value as FileFormat)}>
            <option value="jsonl">{say('exportJson')}</option>
            <option value="csv">{say('exportCsv')}</option>
          </select>
        </Field>
        <p className="note">{say('exportBounds', bounds)}</p>
        {progress !== undefined && <HowFar progress={progress} />}
        {error !== undefined && <Problem error={error} />}
        <footer>
          {isRunning ? (
            <button type="button" onClick={stop}>
              {say('stop')}
            </button>
          ) : (
            <button type="button" onClick={onClose}>
              {say('close')}
            </button>
          )}
          <button type="submit" className="primary" disabled={isRunning}>
            {say('exportStart')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function HowFar({ progress }: { progress: ExportProgress }): ReactNode {
  const say = useWords();
  const { state, scanned, total, found, bound, unread, failure } = progress;
  const values = { found: number(found), size: bytes(progress.bytes), n: number(scanned), total: number(total) };
  if (failure !== undefined) return <Problem error={new ApiError(failure, 0)} />;
  if (state === 'stopped') return <p className="health warn">{say('exportStopped')}</p>;
  const inPart = <InPart records={progress.inPart} />;
  if (state === 'done') {
    const word = bound === null ? 'exportDone' : bound === 'records' ? 'exportCutRecords' : 'exportCutBytes';
    const partitions = unread.map(({ partition }) => partition).join(', ');
    return (
      <div role="status">
        <p className={bound === null && unread.length === 0 ? 'health well' : 'health warn'}>
          {unread.length === 0 || bound !== null ? say(word, values) : say('exportGoesOn', values)}
        </p>
        {inPart}
        {unread.length > 0 && (
          <p className="health warn">
            {say('exportUnread')} {say('unreadNoAnswer', { n: unread.length, all: partitions })}
          </p>
        )}
      </div>
    );
  }
  return (
    <div className="progress" role="status">
      <progress max={Math.max(1, total)} value={scanned} aria-label={say('loading')} />
      <small className="faint">{say('exportGoesOn', values)}</small>
      {inPart}
    </div>
  );
}

/** One download at a time, with what the server says of it. */
function useExport(place: ExportPlace) {
  const [progress, setProgress] = useState<ExportProgress>();
  const [error, setError] = useState<Error>();
  const running = useRef<{ id: string; timer: ReturnType<typeof setInterval> }>(null);
  const say = useWords();
  const { cluster, topic } = place;
  const finish = (): void => {
    if (running.current !== null) clearInterval(running.current.timer);
    running.current = null;
  };
  useEffect(() => () => clearInterval(running.current?.timer), []);
  const ask = async (id: string, waited: { times: number }): Promise<void> => {
    const found = await call('GET /api/clusters/:cluster/topics/:topic/exports/:id', { cluster, topic, id });
    if (running.current?.id !== id) return;
    if (found.state === 'waiting' && ++waited.times > WAITING_MAX) {
      finish();
      setProgress(undefined);
      setError(new Error(say('exportForgotten')));
      return;
    }
    setProgress(found);
    if (found.state !== 'waiting' && found.state !== 'running') finish();
  };
  const begin = (format: FileFormat): void => {
    finish();
    const id = crypto.randomUUID();
    const { url, rest } = addressOf('/api/clusters/:cluster/topics/:topic/export', {
      ...place,
      ...{ format, id, partial: 'true' },
    });
    const link = document.createElement('a');
    link.href = url + queryOf(rest);
    link.download = `${topic}.${format}`;
    link.click();
    const waited = { times: 0 };
    setError(undefined);
    setProgress({ state: 'waiting', scanned: 0, total: 0, inPart: 0, found: 0, bytes: 0, bound: null, unread: [] });
    const timer = setInterval(() => void ask(id, waited).catch(setError), ASKED_EVERY_MS);
    running.current = { id, timer };
  };
  const stop = (): void => {
    const id = running.current?.id;
    if (id === undefined) return;
    void call('POST /api/clusters/:cluster/topics/:topic/exports/:id/stop', { cluster, topic, id }).catch(setError);
  };
  return { progress, error, begin, stop };
}
