import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { BrokerRow } from '../../../src/api/contract.ts';
import { bytes, number } from '../lib/format.ts';
import { useCluster } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Breakable } from '../ui/breakable.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

/** The brokers side by side. */
export function BrokerTable({ brokers }: { brokers: readonly BrokerRow[] }): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  return (
    <DataTable
      isInAddress
      label={say('brokers')}
      columns={columnsOf(say, cluster)}
      rows={brokers}
      keyOf={({ id }) => String(id)}
      sorting={{ id: 'id', isDown: false }}
    />
  );
}

function columnsOf(say: Say, cluster: string): Column<BrokerRow>[] {
  return [
    {
      id: 'id',
      title: say('broker'),
      by: ({ id }) => id,
      cell: ({ id, isController, isUp }) => (
        <>
          <Link to="/$cluster/nodes/$broker" params={{ cluster, broker: String(id) }}>
            {id}
          </Link>{' '}
          {isController && <span className="tag">{say('controller')}</span>}
          {!isUp && <span className="tag bad">{say('down')}</span>}
        </>
      ),
    },
    {
      id: 'address',
      title: say('address'),
      by: (row) => row.address,
      cell: (row) => <Breakable>{row.address || '–'}</Breakable>,
    },
    {
      id: 'rack',
      title: say('rack'),
      isSecondary: true,
      by: (row) => row.rack,
      cell: (row) => <Breakable>{row.rack ?? '–'}</Breakable>,
    },
    {
      id: 'leads',
      title: say('leaders'),
      isNumber: true,
      by: (row) => row.leaders,
      cell: (row) => number(row.leaders),
    },
    {
      id: 'sync',
      title: say('inSync'),
      isNumber: true,
      by: (row) => row.inSync - row.replicas,
      cell: (row) => (
        <span className={row.inSync < row.replicas ? 'warn' : ''}>
          {number(row.inSync)} / {number(row.replicas)}
        </span>
      ),
    },
    {
      id: 'size',
      title: say('size'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.bytes,
      cell: (row) => bytes(row.bytes),
    },
    {
      id: 'disk',
      title: say('disk'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.diskFree,
      cell: (row) => (row.diskFree === undefined ? '–' : `${bytes(row.diskFree)} / ${bytes(row.diskTotal)}`),
    },
  ];
}
