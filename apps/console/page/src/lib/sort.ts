/** What a row is sorted by; what is unknown comes last. */
export type SortKey = string | number | null | undefined;

/** By which column a table is sorted, and whether the largest comes first. */
export interface Sorting {
  readonly id: string;
  readonly isDown: boolean;
}

/** What an address says of it; undefined where it says nothing. */
export function sortingOf(sort: unknown): Sorting | undefined {
  if (typeof sort !== 'string' || sort === '') return undefined;
  return sort.startsWith('-') ? { id: sort.slice(1), isDown: true } : { id: sort, isDown: false };
}

/** Made once: a comparison that makes its own takes 20 times as long, which is a second for a list of 10,000. */
const order = new Intl.Collator('en', { numeric: true });

/** Rows in order, up or down; numbers within texts count as numbers, and what is unknown comes last either way. */
export function sortedBy<Row>(rows: readonly Row[], by: (row: Row) => SortKey, isDown: boolean): Row[] {
  const sign = isDown ? -1 : 1;
  return rows
    .map((row) => ({ row, key: by(row) ?? undefined }))
    .sort((a, b) => {
      if (a.key === undefined || b.key === undefined) return Number(a.key === undefined) - Number(b.key === undefined);
      if (typeof a.key === 'number' && typeof b.key === 'number') return sign * (a.key - b.key);
      return sign * order.compare(String(a.key), String(b.key));
    })
    .map(({ row }) => row);
}
