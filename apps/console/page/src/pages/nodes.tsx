import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { call, isGone } from '../lib/api.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { Gone, Missing } from '../ui/missing.tsx';
import { Loaded } from '../ui/parts.tsx';
import { BrokerTable } from './broker-table.tsx';
import { Configs } from './configs.tsx';
import { LogDirs } from './log-dirs.tsx';

/** The brokers. */
export function NodesPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const query = useApi('GET /api/clusters/:cluster/overview', { cluster });
  return (
    <>
      <h1>{say('nodes')}</h1>
      <Loaded query={query}>{({ brokers }) => <BrokerTable brokers={brokers} />}</Loaded>
      <h2>{say('logDirs')}</h2>
      <LogDirs />
    </>
  );
}

/** One broker with its configs; brokers are called by numbers. */
export function NodePage(): ReactNode {
  const say = useWords();
  const { broker = '' } = useParams({ strict: false });
  if (!/^\d{1,10}$/.test(broker)) {
    return (
      <Missing name={broker} message={say('noBroker')}>
        <ToNodes />
      </Missing>
    );
  }
  return <Node id={Number(broker)} />;
}

function Node({ id: broker }: { id: number }): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const mayChange = useMay('admin');
  const query = useApi('GET /api/clusters/:cluster/brokers/:broker/configs', { cluster, broker }, false);
  if (isGone(query.error)) {
    return (
      <Gone name={String(broker)} error={query.error}>
        <ToNodes />
      </Gone>
    );
  }
  return (
    <>
      <h1>
        {say('broker')} {broker}
      </h1>
      <LogDirs broker={broker} />
      <h2>{say('configs')}</h2>
      <Loaded query={query}>
        {(configs) => (
          <Configs
            configs={configs}
            mayChange={mayChange}
            change={(change) =>
              call('POST /api/clusters/:cluster/brokers/:broker/configs', { cluster, broker, ...change })
            }
          />
        )}
      </Loaded>
    </>
  );
}

function ToNodes(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  return (
    <Link to="/$cluster/nodes" params={{ cluster }}>
      {say('toNodes')}
    </Link>
  );
}
