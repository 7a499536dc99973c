/** What keeps a broker from starting. `code` is stable and meant for programs. */
export type StartErrorCode =
  | 'START_CONFIG_UNREADABLE'
  | 'START_CONFIG_INVALID'
  | 'START_PORT_IN_USE'
  | 'START_LISTEN_FAILED'
  | 'START_FOLDER_LOCKED'
  | 'START_FOLDER_DENIED'
  | 'START_FOLDER_FOREIGN'
  | 'START_FOLDER_IMPOSSIBLE'
  | 'START_FOLDER_DAMAGED'
  | 'START_DISK_FULL'
  | 'START_DISK_FAILED'
  | 'START_METADATA_DAMAGED'
  | 'START_METADATA_UNREACHABLE'
  | 'START_METADATA_DENIED'
  | 'START_BROKER_ID_IN_USE'
  | 'START_BROKER_ADDRESS_IN_USE'
  | 'START_BROKERS_LEFT_OUT'
  | 'START_INTERRUPTED'
  | 'START_FAILED';

/** Exit codes of the process, as `sysexits.h` has them where it has one that fits. */
export const ExitCode = {
  STOPPED: 0,
  FAILED: 1,
  /** EX_UNAVAILABLE: a port is taken, a folder is locked, who keeps the metadata cannot be reached in time. */
  UNAVAILABLE: 69,
  /** EX_IOERR: the disk is full or broken. */
  DISK: 74,
  /** EX_NOPERM. */
  DENIED: 77,
  /** EX_CONFIG. */
  CONFIG: 78,
  /** A second signal came before the broker had stopped. */
  FORCED: 130,
} as const;

const EXIT_CODES: Readonly<Record<StartErrorCode, number>> = {
  START_CONFIG_UNREADABLE: ExitCode.CONFIG,
  START_CONFIG_INVALID: ExitCode.CONFIG,
  START_PORT_IN_USE: ExitCode.UNAVAILABLE,
  START_LISTEN_FAILED: ExitCode.UNAVAILABLE,
  START_FOLDER_LOCKED: ExitCode.UNAVAILABLE,
  START_FOLDER_DENIED: ExitCode.DENIED,
  START_FOLDER_FOREIGN: ExitCode.CONFIG,
  START_FOLDER_IMPOSSIBLE: ExitCode.CONFIG,
  START_FOLDER_DAMAGED: ExitCode.DISK,
  START_DISK_FULL: ExitCode.DISK,
  START_DISK_FAILED: ExitCode.DISK,
  START_METADATA_DAMAGED: ExitCode.DISK,
  START_METADATA_UNREACHABLE: ExitCode.UNAVAILABLE,
  START_METADATA_DENIED: ExitCode.DENIED,
  START_BROKER_ID_IN_USE: ExitCode.UNAVAILABLE,
  START_BROKER_ADDRESS_IN_USE: ExitCode.UNAVAILABLE,
  START_BROKERS_LEFT_OUT: ExitCode.CONFIG,
  /** As a broker that was ready before it was asked to stop. */
  START_INTERRUPTED: ExitCode.STOPPED,
  START_FAILED: ExitCode.FAILED,
};

/** A start that did not come about, with a message that says what to do. */
export class StartError extends Error {
  override name = 'StartError';
  readonly code: StartErrorCode;
  readonly retriable = false;

  constructor(code: StartErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** What the codes of the rooms' errors and of the system mean for a start. */
const CODES: Readonly<Record<string, StartErrorCode>> = {
  NETWORK_ADDRESS_IN_USE: 'START_PORT_IN_USE',
  NETWORK_LISTEN_FAILED: 'START_LISTEN_FAILED',
  LOG_FOLDER_LOCKED: 'START_FOLDER_LOCKED',
  LOG_FOLDER_FOREIGN: 'START_FOLDER_FOREIGN',
  LOG_CHECKPOINT_MALFORMED: 'START_FOLDER_DAMAGED',
  STORE_LOCKED: 'START_FOLDER_LOCKED',
  STORE_CORRUPT: 'START_METADATA_DAMAGED',
  BROKER_METADATA_BEHIND: 'START_METADATA_DAMAGED',
  BROKER_SETTINGS_UNHEEDED: 'START_CONFIG_INVALID',
  ZOOKEEPER_UNREACHABLE: 'START_METADATA_UNREACHABLE',
  // A session or a connection that is lost meanwhile: who keeps the metadata could not be reached in time.
  SESSION_EXPIRED: 'START_METADATA_UNREACHABLE',
  CONNECTION_LOSS: 'START_METADATA_UNREACHABLE',
  ZOOKEEPER_AUTH_FAILED: 'START_METADATA_DENIED',
  ZOOKEEPER_CONNECT_STRING: 'START_CONFIG_INVALID',
  BROKER_ID_IN_USE: 'START_BROKER_ID_IN_USE',
  BROKER_ADDRESS_IN_USE: 'START_BROKER_ADDRESS_IN_USE',
  EACCES: 'START_FOLDER_DENIED',
  EPERM: 'START_FOLDER_DENIED',
  EROFS: 'START_FOLDER_DENIED',
  ENOTDIR: 'START_FOLDER_DENIED',
  EEXIST: 'START_FOLDER_DENIED',
  ENOSPC: 'START_DISK_FULL',
  EDQUOT: 'START_DISK_FULL',
};

/** What the system's codes mean where they are about a data folder: others may stand for a file of certificates, for example. */
const FOLDER_CODES: Readonly<Record<string, StartErrorCode>> = {
  ENOENT: 'START_FOLDER_IMPOSSIBLE',
  EINVAL: 'START_FOLDER_IMPOSSIBLE',
  ELOOP: 'START_FOLDER_IMPOSSIBLE',
  ENAMETOOLONG: 'START_FOLDER_IMPOSSIBLE',
  ENODEV: 'START_FOLDER_IMPOSSIBLE',
  ENOSYS: 'START_FOLDER_IMPOSSIBLE',
  EOPNOTSUPP: 'START_FOLDER_IMPOSSIBLE',
  EIO: 'START_DISK_FAILED',
  ENXIO: 'START_DISK_FAILED',
  ESTALE: 'START_DISK_FAILED',
};

/** Puts whatever kept the broker from starting into words. `folder` names the data folder, or several with commas between. */
export function startErrorOf(error: unknown, folder: string): StartError {
  if (error instanceof StartError) return error;
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const { code: systemCode = '', path } = each as NodeJS.ErrnoException;
    const isOfFolder = path !== undefined && folder.split(', ').some((one) => lieInOne(path, one));
    const code = CODES[systemCode] ?? (isOfFolder ? FOLDER_CODES[systemCode] : undefined);
    if (code !== undefined) return new StartError(code, messageFor(code, each, folder), error);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StartError('START_FAILED', `The broker could not start: ${reason}`, error);
}

/** Whether one of two paths is the other or lies below it: a folder fails where those above it cannot be made, too. */
function lieInOne(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`) || folder.startsWith(`${path}/`);
}

function messageFor(code: StartErrorCode, error: Error, folder: string): string {
  switch (code) {
    case 'START_FOLDER_DENIED':
      return `The data folder ${folder} cannot be written: ${error.message}. Let it be a folder that this user may write to, or set log.dirs to another one`;
    case 'START_FOLDER_IMPOSSIBLE':
      return `There can be no data folder ${folder}: ${error.message}. Set log.dirs to a folder on a disk`;
    case 'START_DISK_FAILED':
      return `The disk of the data folder ${folder} does not work: ${error.message}. Check it, or set log.dirs to another disk`;
    case 'START_DISK_FULL':
      return `The disk of the data folder ${folder} is full: ${error.message}. Make room, or set log.dirs to another disk`;
    case 'START_FOLDER_LOCKED':
      return `The data folder ${folder} is in use by another broker. Stop that one, or set log.dirs to another folder`;
    case 'START_METADATA_UNREACHABLE':
      return (error as NodeJS.ErrnoException).code === 'ZOOKEEPER_UNREACHABLE'
        ? error.message
        : `${error.message}, before the broker was ready. Is this machine too busy, or was it paused?`;
    default:
      return error.message;
  }
}
