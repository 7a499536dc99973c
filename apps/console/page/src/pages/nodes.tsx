import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { call } from '../lib/api.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
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

/** One broker with its configs. */
export function NodePage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { broker: id = '' } = useParams({ strict: false });
  const broker = Number(id);
  const mayChange = useMay('admin');
  const query = useApi('GET /api/clusters/:cluster/brokers/:broker/configs', { cluster, broker }, false);
  return (
    <>
      <h1>
        {say('broker')} {id}
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
