/** The stable codes of this package's errors. */
export type LogErrorCode =
  | 'LOG_DISK_FAILED'
  | 'LOG_CORRUPT'
  | 'LOG_CHECKPOINT_MALFORMED'
  | 'LOG_FOLDER_LOCKED'
  | 'LOG_FOLDER_FOREIGN'
  | 'LOG_CLOSED'
  | 'LOG_UNCLEANABLE'
  | 'LOG_UNLOADABLE';

/** What every error of this package is. Refusals of what a client asked for are values, not errors. */
export class LogError extends Error {
  override readonly name: string = 'LogError';
  /** Stable; for programs. */
  readonly code: LogErrorCode;
  /** Whether the same call may succeed later without anybody doing something about it. */
  readonly retriable: boolean;

  constructor(code: LogErrorCode, message: string, options?: { cause?: unknown; retriable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retriable = options?.retriable ?? false;
  }
}

/** A call of the disk failed. The partition, or its whole log directory, is offline from then on. */
export class DiskFailedError extends LogError {
  override readonly name = 'DiskFailedError';

  constructor(attempt: string, cause: unknown) {
    super(
      'LOG_DISK_FAILED',
      `${attempt} failed: ${messageOf(cause)}. What was not yet synced may be lost: check the disk, then start again`,
      { cause },
    );
  }
}

/** Stored bytes are not what was written. */
export class CorruptLogError extends LogError {
  override readonly name = 'CorruptLogError';
  readonly path: string;
  /** Where in the file the first wrong batch starts. */
  readonly position: number;

  constructor(path: string, position: number, fault: string) {
    super(
      'LOG_CORRUPT',
      `${path} is damaged at byte ${position} (${fault}): restore the file from a replica or a backup, or delete the records before that offset`,
    );
    this.path = path;
    this.position = position;
  }
}

/** A checkpoint, snapshot or properties file does not have its format. */
export class MalformedFileError extends LogError {
  override readonly name = 'MalformedFileError';

  constructor(path: string, detail: string) {
    super(
      'LOG_CHECKPOINT_MALFORMED',
      `${path} cannot be read: ${detail}. Restore it, or move it away: the next start makes do without it`,
    );
  }
}

/** A partition's folder could not be opened at the start. The others are served. */
export class UnloadableLogError extends LogError {
  override readonly name = 'UnloadableLogError';

  constructor(folder: string, cause: unknown) {
    const left = `The log in ${folder} could not be opened: ${messageOf(cause)}. It is left as it is, and its partition is offline`;
    // What is to be done about a single file is said there.
    const advice = ': mend the folder, or restore it from a replica or a backup, then start again';
    super('LOG_UNLOADABLE', cause instanceof MalformedFileError ? left : `${left}${advice}`, { cause });
  }
}

/** Another process uses the log directory. */
export class FolderLockedError extends LogError {
  override readonly name = 'FolderLockedError';

  constructor(folder: string) {
    super(
      'LOG_FOLDER_LOCKED',
      `The log directory ${folder} is in use by another broker: stop that one, or set log.dirs to another folder`,
    );
  }
}

/** A log directory belongs to another broker or cluster. */
export class ForeignFolderError extends LogError {
  override readonly name = 'ForeignFolderError';

  constructor(folder: string, detail: string) {
    super('LOG_FOLDER_FOREIGN', `The log directory ${folder} is not this broker's: ${detail}`);
  }
}

/** The system's code (`ENOSPC`, `EIO` ...) of a failed disk call; undefined for errors of Node (`ERR_OUT_OF_RANGE`), our own, and others. */
export function systemCodeOf(error: unknown): string | undefined {
  const code: unknown = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Want of room on the disk, of quota, or of open files. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE']);

/** Whether a call failed for want of something that may be there again later. What was there before is as good as it was. */
export function isShortage(error: unknown): boolean {
  return SHORTAGES.has(systemCodeOf(error) ?? '');
}

/** Whether a file has a folder in its place, a folder a file, or a link leads in a circle: one name is wrong, and the disk is not. */
export function isWrongKind(error: unknown): boolean {
  return ['EISDIR', 'ENOTDIR', 'ELOOP'].includes(systemCodeOf(error) ?? '');
}

/** What a caught value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
