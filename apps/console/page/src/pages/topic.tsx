import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import type { PartitionRow, ReplicaDir, TopicDetail } from '../../../src/api/contract.ts';
import { countOf } from '../../../src/api/counts.ts';
import { call, isGone } from '../lib/api.ts';
import { brief, bytes, number } from '../lib/format.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Breakable } from '../ui/breakable.tsx';
import { Gone } from '../ui/missing.tsx';
import { Name } from '../ui/name.tsx';
import { ChangeForm, ConfirmByName, Counted, Empty, Field, Loaded, Problem } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { Configs } from './configs.tsx';
import { Messages } from './messages.tsx';
import { Produce } from './produce.tsx';
import { Lag } from './topics.tsx';

const TABS = ['messages', 'partitions', 'configs', 'readers'] as const;

/** A topic: its messages first, because that is what people come for. */
export function TopicPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { topic = '' } = useParams({ strict: false });
  const { tab: asked } = useSearch({ strict: false }) as { tab?: string };
  const tab = TABS.find((each) => each === asked) ?? 'messages';
  const query = useApi('GET /api/clusters/:cluster/topics/:topic', { cluster, topic });
  // Nothing can be done with what there is not, nor with what is not known to be there.
  if (isGone(query.error)) {
    return (
      <Gone name={topic} error={query.error}>
        <Link to="/$cluster/topics" params={{ cluster }} search={{}}>
          {say('toTopics')}
        </Link>
      </Gone>
    );
  }
  return (
    <>
      <div className="title">
        <h1 className="name">
          <Breakable>{topic}</Breakable>
        </h1>
        {query.data !== undefined && <Facts detail={query.data} />}
        <div className="grow" />
        {query.data !== undefined && (
          <Actions cluster={cluster} topic={topic} partitions={query.data.partitions.length} />
        )}
      </div>
      <nav className="tabs" aria-label={topic}>
        {TABS.map((each) => (
          <Link
            key={each}
            to="/$cluster/topics/$topic"
            params={{ cluster, topic }}
            search={{ tab: each }}
            aria-current={each === tab ? 'page' : undefined}
          >
            {say(each)}
          </Link>
        ))}
      </nav>
      {/* A live tail of a broker that is gone is as silent as one of which nothing comes. */}
      {tab === 'messages' && query.error !== null && <Problem error={query.error} />}
      {tab === 'messages' ? (
        <Messages cluster={cluster} topic={topic} partitions={query.data?.partitions.length ?? 0} />
      ) : tab === 'configs' ? (
        <TopicConfigs cluster={cluster} topic={topic} />
      ) : tab === 'readers' ? (
        <Readers cluster={cluster} topic={topic} />
      ) : (
        <Loaded query={query}>{(detail) => <Partitions detail={detail} />}</Loaded>
      )}
    </>
  );
}

/** What one wants to know of a topic before anything else; what is wrong with it above all. */
function Facts({ detail: { isInternal, partitions } }: { detail: TopicDetail }): ReactNode {
  const say = useWords();
  const records = ({ start, end }: PartitionRow): number | undefined =>
    start === undefined || end === undefined ? undefined : end - start;
  const isOffline = partitions.some(({ leader }) => leader < 0);
  const isBehind = partitions.some(({ replicas, inSync }) => inSync.length < replicas.length);
  return (
    <>
      {isInternal && <span className="tag">{say('internal')}</span>}
      {isOffline && <span className="tag bad">{say('offline')}</span>}
      {!isOffline && isBehind && <span className="tag warn">{say('underReplicated')}</span>}
      <span className="faint">
        {say('partitions')} {number(partitions.length)} × {partitions[0]?.replicas.length ?? 0} · {say('records')}{' '}
        <Counted count={countOf(partitions.map(records))} show={brief} /> ·{' '}
        <Counted count={countOf(partitions.map((row) => row.bytes))} show={bytes} />
      </span>
    </>
  );
}

type Doing = 'produce' | 'expand' | 'empty' | 'remove';

function Actions({ cluster, topic, partitions }: { cluster: string; topic: string; partitions: number }): ReactNode {
  const say = useWords();
  const maySend = useMay('editor', { on: 'topic', name: topic });
  const mayChange = useMay('admin', { on: 'topic', name: topic });
  const navigate = useNavigate();
  const [doing, setDoing] = useState<Doing>();
  const close = (): void => setDoing(undefined);
  const remove = async (confirm: string): Promise<void> => {
    await call('POST /api/clusters/:cluster/topics/:topic/delete', { cluster, topic, confirm });
    await navigate({ to: '/$cluster/topics', params: { cluster }, search: {} });
  };
  const empty = (confirm: string) =>
    call('POST /api/clusters/:cluster/topics/:topic/empty', { cluster, topic, confirm });
  return (
    <div className="actions">
      {maySend && (
        <button type="button" className="primary" onClick={() => setDoing('produce')}>
          {say('produce')}
        </button>
      )}
      {mayChange &&
        (['expand', 'empty', 'remove'] as const).map((each) => (
          <button key={each} type="button" onClick={() => setDoing(each)}>
            {say(each)}
          </button>
        ))}
      {doing === 'produce' && <Produce cluster={cluster} topic={topic} onClose={close} />}
      {doing === 'expand' && <Expand cluster={cluster} topic={topic} now={partitions} onClose={close} />}
      {doing === 'empty' && (
        <ConfirmByName title={say('emptyTopic')} action={say('empty')} name={topic} onClose={close} change={empty} />
      )}
      {doing === 'remove' && (
        <ConfirmByName title={say('removeTopic')} action={say('remove')} name={topic} onClose={close} change={remove} />
      )}
    </div>
  );
}

function Expand(props: { cluster: string; topic: string; now: number; onClose: () => void }): ReactNode {
  const say = useWords();
  const { cluster, topic, now, onClose } = props;
  const [count, setCount] = useState(now + 1);
  const change = () => call('POST /api/clusters/:cluster/topics/:topic/partitions', { cluster, topic, count });
  return (
    <ChangeForm
      title={say('expand')}
      action={say('expand')}
      onClose={onClose}
      change={change}
      isDisabled={count <= now}
    >
      <Field label={say('count')}>
        <input type="number" min={now + 1} value={count} onChange={(event) => setCount(event.target.valueAsNumber)} />
      </Field>
    </ChangeForm>
  );
}

function TopicConfigs({ cluster, topic }: { cluster: string; topic: string }): ReactNode {
  const mayChange = useMay('admin', { on: 'topic', name: topic });
  const query = useApi('GET /api/clusters/:cluster/topics/:topic/configs', { cluster, topic }, false);
  return (
    <Loaded query={query}>
      {(configs) => (
        <Configs
          configs={configs}
          mayChange={mayChange}
          change={(change) => call('POST /api/clusters/:cluster/topics/:topic/configs', { cluster, topic, ...change })}
        />
      )}
    </Loaded>
  );
}

function Partitions({ detail }: { detail: TopicDetail }): ReactNode {
  const say = useWords();
  return (
    <DataTable
      isInAddress
      label={say('partitions')}
      columns={partitionColumns(say)}
      rows={detail.partitions}
      keyOf={({ partition }) => String(partition)}
      sorting={{ id: 'partition', isDown: false }}
    />
  );
}

function partitionColumns(say: Say): Column<PartitionRow>[] {
  const offset = (value: number | undefined): string => (value === undefined ? '–' : number(value));
  return [
    {
      id: 'partition',
      title: say('partition'),
      isNumber: true,
      by: (row) => row.partition,
      cell: (row) => row.partition,
    },
    {
      id: 'leader',
      title: say('leader'),
      isNumber: true,
      by: (row) => row.leader,
      cell: (row) => (row.leader < 0 ? <span className="tag bad">{say('offline')}</span> : row.leader),
    },
    {
      id: 'replicas',
      title: say('replicas'),
      by: ({ inSync, replicas }) => inSync.length - replicas.length,
      cell: ({ replicas, inSync }) => (
        <span className="replicas">
          {replicas.map((id) => (
            <span key={id} className={inSync.includes(id) ? 'replica' : 'replica behind'}>
              {id}
            </span>
          ))}
        </span>
      ),
    },
    {
      id: 'first',
      title: say('first'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.start,
      cell: (row) => offset(row.start),
    },
    { id: 'next', title: say('next'), isNumber: true, by: (row) => row.end, cell: (row) => offset(row.end) },
    { id: 'size', title: say('size'), isNumber: true, by: (row) => row.bytes, cell: (row) => bytes(row.bytes) },
    {
      id: 'dirs',
      title: say('logDirs'),
      isSecondary: true,
      cell: ({ dirs }) => <Dirs dirs={dirs} />,
    },
  ];
}

/** Where the replicas lie: the brokers whose folders have the same name are told together. */
function Dirs({ dirs }: { dirs: readonly ReplicaDir[] }): ReactNode {
  const say = useWords();
  if (dirs.length === 0) return <span className="faint">–</span>;
  const kinds = [...Map.groupBy(dirs, ({ path, isFuture }) => `${path} ${isFuture}`).values()];
  return kinds.map((same) => (
    <div key={`${same[0]?.path} ${same[0]?.isFuture}`} className="dirs">
      <span className="faint">{same.map(({ broker }) => broker).join(' ')}</span>{' '}
      <code>
        <Breakable>{same[0]?.path ?? ''}</Breakable>
      </code>{' '}
      {same[0]?.isFuture === true && <span className="tag warn">{say('moving')}</span>}{' '}
      {same
        .filter(({ behind }) => behind > 0)
        .map(({ broker, behind }) => (
          <span key={broker} className="tag warn">
            {broker}: {say('behindBy', { n: number(behind) })}
          </span>
        ))}
    </div>
  ));
}

function Readers({ cluster, topic }: { cluster: string; topic: string }): ReactNode {
  const say = useWords();
  const query = useApi('GET /api/clusters/:cluster/topics/:topic/readers', { cluster, topic });
  return (
    <Loaded query={query}>
      {(groups) =>
        groups.length === 0 ? (
          <Empty>{say('noReaders')}</Empty>
        ) : (
          <DataTable
            isInAddress
            label={say('readers')}
            columns={[
              {
                id: 'group',
                title: say('group'),
                by: ({ group }) => group,
                cell: ({ group }) => (
                  <Link to="/$cluster/groups/$group" params={{ cluster, group }}>
                    <Name>{group}</Name>
                  </Link>
                ),
              },
              {
                id: 'lag',
                title: say('lag'),
                isNumber: true,
                by: ({ lag }) => lag,
                cell: ({ lag }) => <Lag lag={lag} />,
              },
            ]}
            rows={groups}
            keyOf={({ group }) => group}
            sorting={{ id: 'lag', isDown: true }}
          />
        )
      }
    </Loaded>
  );
}
