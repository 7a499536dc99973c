import { useNavigate, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import type { TransactionRow } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import type { ListSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Breakable } from '../ui/breakable.tsx';
import { Instant, ZoneSwitch } from '../ui/instant.tsx';
import { Name } from '../ui/name.tsx';
import { ConfirmByName, Empty, Loaded, SearchBox, Silent } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

/** The transactional ids, those that are at work first. */
export function TransactionsPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { q = '' } = useSearch({ strict: false });
  const navigate = useNavigate();
  const mayAbort = useMay('admin');
  const [aborted, setAborted] = useState<string>();
  const query = useApi('GET /api/clusters/:cluster/transactions', { cluster });
  const search = (text: string): void =>
    void navigate({
      to: '/$cluster/transactions',
      params: { cluster },
      search: (before: ListSearch) => ({ ...before, q: text === '' ? undefined : text }),
      replace: true,
    });
  return (
    <>
      <div className="title">
        <h1>{say('transactions')}</h1>
        <ZoneSwitch />
        <SearchBox label={say('searchTransactions')} value={q} onChange={search} />
      </div>
      <Loaded query={query}>
        {({ transactions, silentBrokers }) => {
          const shown = transactions.filter(({ id }) => id.toLowerCase().includes(q.toLowerCase()));
          return (
            <>
              <Silent brokers={silentBrokers} />
              {shown.length === 0 ? (
                <Empty>{say(q === '' ? 'noTransactions' : 'noMatch')}</Empty>
              ) : (
                <DataTable
                  isInAddress
                  label={say('transactions')}
                  columns={columnsOf(say, mayAbort ? setAborted : undefined)}
                  rows={shown}
                  keyOf={({ id }) => id}
                />
              )}
            </>
          );
        }}
      </Loaded>
      {aborted !== undefined && (
        <ConfirmByName
          title={say('abortTransaction')}
          action={say('abort')}
          name={aborted}
          onClose={() => setAborted(undefined)}
          change={(confirm) =>
            call('POST /api/clusters/:cluster/transactions/abort', { cluster, id: aborted, confirm })
          }
        />
      )}
    </>
  );
}

function columnsOf(say: Say, abort: ((id: string) => void) | undefined): Column<TransactionRow>[] {
  return [
    {
      id: 'id',
      title: 'ID',
      by: ({ id }) => id,
      cell: ({ id, state }) => (
        <>
          <code className="wrap">
            <Name>{id}</Name>
          </code>
          {/* Where there is no room for a column of its own. */}
          <div className="in-hand">
            <State state={state} />
          </div>
        </>
      ),
    },
    {
      id: 'state',
      title: say('state'),
      isSecondary: true,
      by: ({ state }) => state,
      cell: ({ state }) => <State state={state} />,
    },
    {
      id: 'since',
      title: say('since'),
      by: ({ startedMs }) => startedMs,
      cell: ({ startedMs }) => (startedMs === undefined ? '–' : <Instant ms={startedMs} />),
    },
    {
      id: 'partitions',
      title: say('partitions'),
      isSecondary: true,
      by: ({ partitions }) => partitions.length,
      cell: ({ partitions }) => (
        <Breakable>{partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(', ') || '–'}</Breakable>
      ),
    },
    {
      id: 'producer',
      title: `${say('producerId')} · ${say('epoch')}`,
      isNumber: true,
      isSecondary: true,
      by: ({ producerId }) => producerId,
      cell: ({ producerId, epoch }) => `${producerId}${epoch === undefined ? '' : ` · ${epoch}`}`,
    },
    {
      id: 'coordinator',
      title: say('coordinator'),
      isNumber: true,
      isSecondary: true,
      by: ({ coordinator }) => coordinator,
      cell: ({ coordinator }) => coordinator,
    },
    {
      id: 'abort',
      title: say('actions'),
      isTitleHidden: true,
      cell: ({ id, state }) =>
        abort !== undefined &&
        isOpen(state) && (
          <button type="button" className="danger" onClick={() => abort(id)}>
            {say('abort')}
          </button>
        ),
    },
  ];
}

function State({ state }: Pick<TransactionRow, 'state'>): ReactNode {
  return <span className={`tag ${isOpen(state) ? 'warn' : ''}`}>{state}</span>;
}

function isOpen(state: string): boolean {
  return state === 'Ongoing' || state.startsWith('Prepare');
}
