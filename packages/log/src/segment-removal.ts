import { DELETED_SUFFIX } from './file-names.ts';
import type { LogConfig } from './log-config.ts';
import type { LogContext } from './log-context.ts';
import type { Segment } from './segment.ts';

/** What of a log the removal of its files needs. */
export interface RemovalContext {
  readonly context: Pick<LogContext, 'disk' | 'reaper'>;
  readonly config: Pick<LogConfig, 'fileDeleteDelayMs'>;
}

/** Renames a segment's files to `.deleted` and has them removed later. Readers in the middle of them go on. */
export async function giveUpFiles({ context, config }: RemovalContext, segment: Segment): Promise<void> {
  const { disk, reaper } = context;
  segment.release();
  for (const file of segment.files) {
    const path = file.path.endsWith(DELETED_SUFFIX) ? file.path : file.path + DELETED_SUFFIX;
    if ((await disk.stat(file.path)) === undefined) continue;
    if (path !== file.path) await file.rename(path);
    reaper.removeLater(path, config.fileDeleteDelayMs);
  }
}
