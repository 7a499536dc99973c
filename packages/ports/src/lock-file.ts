import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** SQLite's result code for "somebody else holds the lock". */
const SQLITE_BUSY = 5;
/** Its code for a file that holds something else than a database. */
const SQLITE_NOTADB = 26;

/**
 * Takes a file lock that the kernel drops when the process ends, however it ends.
 *
 * Node has no call for file locks, and a file with a process id in it is a guess after `kill -9` and across containers.
 * SQLite, which Node carries, locks a database file with fcntl (LockFileEx on Windows): an exclusive transaction that never
 * writes is a lock and leaves the file empty. Kafka locks the whole of the same `.lock` with fcntl too, so that the two
 * keep each other out of a data folder. Whoever opens and closes the file by other means in this process drops the lock:
 * nobody else may touch it.
 *
 * @returns undefined where another process holds it
 * @throws the system's error, or an Error that names the file where it holds bytes
 */
export function lockFile(path: string): { release(): Promise<void> } | undefined {
  // SQLite tells a missing folder or missing rights only as "unable to open": these calls give the system's own error.
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    throw new Error(`${path} should be an empty file and is a folder: remove it`, { cause: error });
  }
  const database = new (sqliteWithoutWarning().DatabaseSync)(path);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    const { errcode } = error as { errcode?: number };
    if (errcode === SQLITE_BUSY) return undefined;
    if (errcode !== SQLITE_NOTADB) throw error;
    throw new Error(`${path} should be empty and holds bytes: remove it, if no other broker uses its folder`, {
      cause: error,
    });
  }
  return releaseOnce(database);
}

function releaseOnce(database: DatabaseSync): { release(): Promise<void> } {
  let held = true;
  return {
    async release() {
      if (held) {
        held = false;
        database.close();
      }
    },
  };
}

/** Node 22 warns that SQLite is experimental; who starts a broker can do nothing with that. */
function sqliteWithoutWarning(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
