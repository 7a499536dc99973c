import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useMemo, useRef, useState } from 'react';
import { useInAddress } from '../lib/address.ts';
import type { SortSearch } from '../lib/searches.ts';
import { type Sorting, type SortKey, sortedBy, sortingOf } from '../lib/sort.ts';

/** A column of a table. */
export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  /** What stands in it says what it is: the title is for those who hear the page. */
  readonly isTitleHidden?: boolean;
  readonly cell: (row: Row) => ReactNode;
  /** What it is sorted by; what is unknown comes last. */
  readonly by?: (row: Row) => SortKey;
  readonly isNumber?: boolean;
  /** Left out where there is little room. */
  readonly isSecondary?: boolean;
  readonly width?: string;
}

const ROW_HEIGHT = 33;
/** Fewer rows are simply there: the page scrolls, not the table. */
const VIRTUAL_FROM = 200;

interface TableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly sorting?: Sorting;
  /** The first of its page: the address says what it is sorted by. */
  readonly isInAddress?: boolean;
}

/** A table that can be sorted everywhere; long ones show the rows that are in sight. */
export function DataTable<Row>(props: TableProps<Row>): ReactNode {
  const { label, columns, rows, keyOf } = props;
  const [sorting, setSorting] = useSorting(props);
  const sorted = useMemo(() => sortRows(rows, columns, sorting), [rows, columns, sorting]);
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = sorted.length >= VIRTUAL_FROM;
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 20,
    enabled: isVirtual,
  });
  const items = virtual.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const shown = isVirtual ? items.map(({ index }) => sorted[index]).filter((row) => row !== undefined) : sorted;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={isVirtual ? 'table virtual' : 'table'} ref={scroller} tabIndex={0} aria-label={label}>
      <table aria-rowcount={sorted.length}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} sorting={sorting} onSort={setSorting} />
            ))}
          </tr>
        </thead>
        <tbody>
          {isVirtual && above > 0 && <Spacer height={above} columns={columns.length} />}
          {shown.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.id} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {isVirtual && below > 0 && <Spacer height={below} columns={columns.length} />}
        </tbody>
      </table>
    </section>
  );
}

/** What it is sorted by, kept in the address where that says it. */
function useSorting<Row>({
  columns,
  sorting: first,
  isInAddress = false,
}: TableProps<Row>): readonly [Sorting | undefined, (sorting: Sorting) => void] {
  const [own, setOwn] = useState<Sorting | undefined>(first);
  const [{ sort }, go] = useInAddress<SortSearch>();
  if (!isInAddress) return [own, setOwn];
  const said = sortingOf(sort);
  // An address that names a column that there is not is of another table.
  const sorting = columns.some(({ id }) => id === said?.id) ? said : first;
  const set = ({ id, isDown }: Sorting): void => go({ sort: isDown ? `-${id}` : id });
  return [sorting, set];
}

function Spacer({ height, columns }: { height: number; columns: number }): ReactNode {
  return (
    <tr>
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

function Head<Row>(props: {
  column: Column<Row>;
  sorting: Sorting | undefined;
  onSort: (sorting: Sorting) => void;
}): ReactNode {
  const { column, sorting, onSort } = props;
  const isSorted = sorting?.id === column.id;
  const isDown = isSorted ? !sorting.isDown : column.isNumber === true;
  const order = isSorted ? (sorting.isDown ? 'descending' : 'ascending') : undefined;
  return (
    <th className={classOf(column)} aria-sort={order} style={{ width: column.width }} scope="col">
      {column.by === undefined ? (
        <span className={column.isTitleHidden === true ? 'visually-hidden' : ''}>{column.title}</span>
      ) : (
        <button type="button" className="sort" onClick={() => onSort({ id: column.id, isDown })}>
          {column.title}
          <span aria-hidden="true">{order === undefined ? '' : order === 'descending' ? '\u00a0↓' : '\u00a0↑'}</span>
        </button>
      )}
    </th>
  );
}

function classOf<Row>({ isNumber, isSecondary }: Column<Row>): string {
  return [isNumber === true ? 'num' : '', isSecondary === true ? 'secondary' : ''].join(' ').trim();
}

function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sorting: Sorting | undefined,
): readonly Row[] {
  const by = columns.find(({ id }) => id === sorting?.id)?.by;
  if (by === undefined || sorting === undefined) return rows;
  return sortedBy(rows, by, sorting.isDown);
}
