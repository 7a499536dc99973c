import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import type { GroupDetail, GroupEvent, GroupOffsetRow, LagPoint, MemberRow } from '../../../src/api/contract.ts';
import { call, isGone } from '../lib/api.ts';
import { number } from '../lib/format.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import type { GroupSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import { Breakable } from '../ui/breakable.tsx';
import { Instant, ZoneSwitch } from '../ui/instant.tsx';
import { Gone } from '../ui/missing.tsx';
import { Name } from '../ui/name.tsx';
import { ConfirmByName, Empty, Loaded } from '../ui/parts.tsx';
import { Sparkline } from '../ui/sparkline.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { GroupState } from './groups.tsx';
import { ResetOffsets } from './reset.tsx';
import { Lag } from './topics.tsx';

const LagChart = lazy(() => import('./lag-chart.tsx'));

/** A group: how far it is behind, and who reads what. */
export function GroupPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { group = '' } = useParams({ strict: false });
  const place = placeOf((useSearch({ strict: false }) as GroupSearch).p);
  const query = useApi('GET /api/clusters/:cluster/groups/:group', { cluster, group });
  const history = useApi('GET /api/clusters/:cluster/groups/:group/history', { cluster, group, ...place });
  if (isGone(query.error)) {
    return (
      <Gone name={group} error={query.error}>
        <Link to="/$cluster/groups" params={{ cluster }} search={{}}>
          {say('toGroups')}
        </Link>
      </Gone>
    );
  }
  return (
    <Loaded query={query}>
      {(detail) => (
        <>
          <div className="title">
            <h1 className="name">
              <Name>{group}</Name>
            </h1>
            <GroupState state={detail.state} />
            <span className="faint">
              {detail.assignor !== '' && `${visible(detail.assignor)} · `}
              {say('coordinator')} {detail.coordinator}
            </span>
            <div className="grow" />
            <Actions cluster={cluster} detail={detail} />
          </div>
          {detail.hidesTopics && (
            <p className="note" role="status">
              {say('hiddenTopics')}
            </p>
          )}
          <LagOverTime cluster={cluster} detail={detail} place={place} points={history.data?.points ?? []} />
          <h2>{say('partitions')}</h2>
          <DataTable
            isInAddress
            label={say('partitions')}
            columns={offsetColumns(say, cluster, detail, {
              trends: new Map(history.data?.trends.map((each) => [nameOf(each), each.lags])),
              place,
            })}
            rows={detail.offsets}
            keyOf={nameOf}
          />
          <h2>{say('members')}</h2>
          <Members detail={detail} />
          <h2>
            {say('rebalances')} <ZoneSwitch />
          </h2>
          <Events events={history.data?.events ?? []} />
        </>
      )}
    </Loaded>
  );
}

type Place = Pick<GroupOffsetRow, 'topic' | 'partition'>;

function nameOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`;
}

function placeOf(name: string | undefined): Place | undefined {
  const [, topic, partition] = /^(.+)\/(\d+)$/.exec(name ?? '') ?? [];
  return topic === undefined ? undefined : { topic, partition: Number(partition) };
}

/** The lag of the group, or of the partition that was chosen in the table. */
function LagOverTime(props: {
  cluster: string;
  detail: GroupDetail;
  place: Place | undefined;
  points: readonly LagPoint[];
}): ReactNode {
  const say = useWords();
  const { cluster, detail, place, points } = props;
  const of = detail.offsets.find((row) => place !== undefined && nameOf(row) === nameOf(place));
  const lag = place === undefined ? detail.lag : (of?.lag ?? null);
  const label = place === undefined ? say('lagOverTime') : say('lagOf', { place: `${place.topic} ${place.partition}` });
  return (
    <>
      <h2 className="chart-title">
        {label}
        {place !== undefined && (
          <Link
            to="/$cluster/groups/$group"
            params={{ cluster, group: detail.group }}
            search={(before: GroupSearch) => ({ ...before, p: undefined })}
            resetScroll={false}
          >
            {say('wholeGroup')}
          </Link>
        )}
      </h2>
      <Suspense fallback={<div className="skeleton chart" />}>
        <LagChart points={points} lag={lag} label={label} />
      </Suspense>
    </>
  );
}

/** How the group has changed, the latest first. */
function Events({ events }: { events: readonly GroupEvent[] }): ReactNode {
  const say = useWords();
  if (events.length === 0) return <Empty isSmall>{say('nothing')}</Empty>;
  const named = (names: readonly string[], count: number): string =>
    names.join(', ') + (count > names.length ? ` +${count - names.length}` : '');
  const columns: Column<GroupEvent>[] = [
    {
      id: 'at',
      title: say('time'),
      by: ({ at }) => at,
      cell: ({ at }) => <Instant ms={at} />,
    },
    { id: 'state', title: say('state'), by: ({ state }) => state, cell: ({ state }) => <GroupState state={state} /> },
    {
      id: 'members',
      title: say('members'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.members,
      cell: (row) => row.members,
    },
    {
      id: 'change',
      title: say('change'),
      cell: ({ isFirst, joined, joinedCount, left, leftCount, moved }) => (
        <span className="wrap">
          {[
            isFirst && say('firstSeen'),
            !isFirst && joinedCount > 0 && say('joined', { who: named(joined, joinedCount) }),
            leftCount > 0 && say('left', { who: named(left, leftCount) }),
            moved > 0 && say('moved', { n: number(moved) }),
          ]
            .filter((part) => part !== false)
            .join(' · ') || '–'}
        </span>
      ),
    },
  ];
  return (
    <DataTable
      label={say('rebalances')}
      columns={columns}
      rows={events}
      keyOf={({ at, state }) => `${at} ${state}`}
      sorting={{ id: 'at', isDown: true }}
    />
  );
}

function Actions({ cluster, detail }: { cluster: string; detail: GroupDetail }): ReactNode {
  const say = useWords();
  const navigate = useNavigate();
  const [doing, setDoing] = useState<'reset' | 'remove'>();
  const { group } = detail;
  const mayReset = useMay('editor', { on: 'group', name: group });
  const mayRemove = useMay('admin', { on: 'group', name: group });
  const close = (): void => setDoing(undefined);
  const remove = async (confirm: string): Promise<void> => {
    await call('POST /api/clusters/:cluster/groups/:group/delete', { cluster, group, confirm });
    await navigate({ to: '/$cluster/groups', params: { cluster }, search: {} });
  };
  return (
    <div className="actions">
      {mayReset && (
        <button type="button" onClick={() => setDoing('reset')}>
          {say('reset')}
        </button>
      )}
      {mayRemove && (
        <button type="button" onClick={() => setDoing('remove')}>
          {say('remove')}
        </button>
      )}
      {doing === 'reset' && <ResetOffsets cluster={cluster} detail={detail} onClose={close} />}
      {doing === 'remove' && (
        <ConfirmByName title={say('removeGroup')} action={say('remove')} name={group} onClose={close} change={remove} />
      )}
    </div>
  );
}

/** What is known of the partitions' lags over time, and whose is drawn large. */
interface Drawn {
  readonly trends: ReadonlyMap<string, readonly (number | null)[]>;
  readonly place: Place | undefined;
}

function offsetColumns(
  say: Say,
  cluster: string,
  { group, members }: GroupDetail,
  { trends, place }: Drawn,
): Column<GroupOffsetRow>[] {
  const clients = new Map(members.map(({ id, clientId, host }) => [id, `${clientId} ${host}`]));
  const offset = (value: number | null | undefined): string =>
    value === null || value === undefined ? '–' : number(value);
  return [
    {
      id: 'topic',
      title: say('topic'),
      by: ({ topic }) => topic,
      cell: ({ topic }) => (
        <Link to="/$cluster/topics/$topic" params={{ cluster, topic }} search={{}}>
          <Breakable>{topic}</Breakable>
        </Link>
      ),
    },
    {
      id: 'partition',
      title: say('partition'),
      isNumber: true,
      by: (row) => row.partition,
      cell: (row) => row.partition,
    },
    {
      id: 'committed',
      title: say('committed'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.committed,
      cell: (row) => offset(row.committed),
    },
    {
      id: 'end',
      title: say('next'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.end,
      cell: (row) => offset(row.end),
    },
    { id: 'lag', title: say('lag'), isNumber: true, by: (row) => row.lag, cell: (row) => <Lag lag={row.lag} /> },
    {
      id: 'trend',
      title: say('trend'),
      cell: (row) => (
        <Link
          to="/$cluster/groups/$group"
          params={{ cluster, group }}
          search={(before: GroupSearch) => ({ ...before, p: nameOf(row) })}
          resetScroll={false}
          className="trend"
          aria-label={say('lagOf', { place: `${row.topic} ${row.partition}` })}
          aria-current={place !== undefined && nameOf(place) === nameOf(row) ? 'true' : undefined}
        >
          <Sparkline values={trends.get(nameOf(row)) ?? []} />
        </Link>
      ),
    },
    {
      id: 'member',
      title: say('client'),
      isSecondary: true,
      by: ({ member }) => clients.get(member ?? ''),
      cell: ({ member }) => <span className="faint">{visible(clients.get(member ?? '') ?? '–')}</span>,
    },
  ];
}

function Members({ detail }: { detail: GroupDetail }): ReactNode {
  const say = useWords();
  if (detail.members.length === 0) return <Empty isSmall>{say('noMembers')}</Empty>;
  const columns: Column<MemberRow>[] = [
    {
      id: 'client',
      title: say('client'),
      by: (row) => row.clientId,
      cell: (row) => <Name>{row.instanceId ?? row.clientId}</Name>,
    },
    { id: 'host', title: say('address'), by: (row) => row.host, cell: (row) => <Breakable>{row.host}</Breakable> },
    {
      id: 'reads',
      title: say('assignment'),
      by: (row) => row.assignment.length,
      cell: ({ assignment }) => (
        <span className="wrap">
          <Breakable>{assignment.map(({ topic, partition }) => `${topic}-${partition}`).join(', ') || '–'}</Breakable>
        </span>
      ),
    },
  ];
  return <DataTable label={say('members')} columns={columns} rows={detail.members} keyOf={({ id }) => id} />;
}
