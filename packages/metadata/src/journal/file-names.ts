/** Enough digits for every transaction number, so that names sort as the numbers do. */
const DIGITS = 16;
const NAME = /^(\d{16})\.(snapshot|journal)$/;

/** Says up to which transaction the store had come when it was last closed or its journal rolled. */
export const HEAD_FILE = 'head';
/** Held by the process that has the store open. */
export const LOCK_FILE = '.lock';

/** The files of a store's folder, by the transaction at which each begins, in order. */
export interface StoreFiles {
  readonly snapshots: readonly number[];
  readonly journals: readonly number[];
}

export function snapshotName(zxid: number): string {
  return `${String(zxid).padStart(DIGITS, '0')}.snapshot`;
}

export function journalName(zxid: number): string {
  return `${String(zxid).padStart(DIGITS, '0')}.journal`;
}

/** Sorts the names of a folder; what belongs to nobody is passed over. */
export function storeFiles(names: readonly string[]): StoreFiles {
  const snapshots: number[] = [];
  const journals: number[] = [];
  for (const name of names.toSorted()) {
    const match = NAME.exec(name);
    if (match !== null) (match[2] === 'snapshot' ? snapshots : journals).push(Number(match[1]));
  }
  return { snapshots, journals };
}
