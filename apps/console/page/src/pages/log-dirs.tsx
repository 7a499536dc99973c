import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { LogDirRow } from '../../../src/api/contract.ts';
import { bytes, number } from '../lib/format.ts';
import { useApi, useCluster } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Breakable } from '../ui/breakable.tsx';
import { Loaded } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

/** The folders of one broker or of all, with how full they are. */
export function LogDirs({ broker }: { broker?: number }): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const query = useApi('GET /api/clusters/:cluster/log-dirs', { cluster });
  return (
    <Loaded query={query}>
      {(dirs) => (
        <DataTable
          label={say('logDirs')}
          columns={columnsOf(say, cluster, broker === undefined)}
          rows={dirs.filter((dir) => broker === undefined || dir.broker === broker)}
          keyOf={(dir) => `${dir.broker} ${dir.path}`}
        />
      )}
    </Loaded>
  );
}

const LARGEST_SHOWN = 3;

function columnsOf(say: Say, cluster: string, hasBroker: boolean): Column<LogDirRow>[] {
  const ofBroker: Column<LogDirRow> = {
    id: 'broker',
    title: say('broker'),
    by: ({ broker }) => broker,
    cell: ({ broker }) => broker,
  };
  return [
    ...(hasBroker ? [ofBroker] : []),
    {
      id: 'path',
      title: say('folder'),
      by: ({ path }) => path,
      cell: ({ path }) => (
        <code className="wrap">
          <Breakable>{path}</Breakable>
        </code>
      ),
    },
    { id: 'size', title: say('size'), isNumber: true, by: (dir) => dir.bytes, cell: (dir) => bytes(dir.bytes) },
    {
      id: 'free',
      title: say('free'),
      isNumber: true,
      by: ({ freeBytes }) => freeBytes,
      cell: ({ freeBytes, totalBytes }) => (
        <>
          {bytes(freeBytes)}
          {totalBytes !== undefined && <span className="faint"> / {bytes(totalBytes)}</span>}
        </>
      ),
    },
    {
      id: 'replicas',
      title: say('replicas'),
      isNumber: true,
      isSecondary: true,
      by: ({ replicas }) => replicas,
      cell: ({ replicas }) => number(replicas),
    },
    {
      id: 'largest',
      title: say('largest'),
      isSecondary: true,
      cell: ({ largest }) => (
        <span className="lags">
          {largest.slice(0, LARGEST_SHOWN).map(({ topic, partition, bytes: size }) => (
            <Link
              key={`${topic}/${partition}`}
              to="/$cluster/topics/$topic"
              params={{ cluster, topic }}
              search={{ tab: 'partitions' }}
            >
              {topic}-{partition} <span className="faint">{bytes(size)}</span>
            </Link>
          ))}
        </span>
      ),
    },
  ];
}
