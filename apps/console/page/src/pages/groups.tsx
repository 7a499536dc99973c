import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { GroupRow } from '../../../src/api/contract.ts';
import { number } from '../lib/format.ts';
import { useApi, useCluster } from '../lib/queries.ts';
import type { ListSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Name } from '../ui/name.tsx';
import { Empty, Loaded, SearchBox, Silent } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { Lag } from './topics.tsx';

/** All groups, the slowest first. */
export function GroupsPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { q = '' } = useSearch({ strict: false });
  const navigate = useNavigate();
  const query = useApi('GET /api/clusters/:cluster/groups', { cluster });
  const search = (text: string): void =>
    void navigate({
      to: '/$cluster/groups',
      params: { cluster },
      search: (before: ListSearch) => ({ ...before, q: text === '' ? undefined : text }),
      replace: true,
    });
  return (
    <>
      <div className="title">
        <h1>{say('groups')}</h1>
        <SearchBox label={say('searchGroups')} value={q} onChange={search} />
      </div>
      <Loaded query={query}>
        {({ groups, silentBrokers }) => {
          const wanted = q.toLowerCase();
          const shown = groups.filter(({ group, topics }) =>
            [group, ...topics].some((name) => name.toLowerCase().includes(wanted)),
          );
          return (
            <>
              <Silent brokers={silentBrokers} />
              {shown.length === 0 ? (
                <Empty>{say(q === '' ? 'noGroups' : 'noMatch')}</Empty>
              ) : (
                <DataTable
                  isInAddress
                  label={say('groups')}
                  columns={columnsOf(say, cluster)}
                  rows={shown}
                  keyOf={({ group }) => group}
                  sorting={{ id: 'lag', isDown: true }}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** A group's state, in a colour that says whether anybody reads. */
export function GroupState({ state }: { state: string }): ReactNode {
  const look = state === 'Stable' ? 'well' : /Rebalance/.test(state) ? 'warn' : '';
  return <span className={`tag ${look}`}>{state}</span>;
}

function columnsOf(say: Say, cluster: string): Column<GroupRow>[] {
  return [
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
      id: 'state',
      title: say('state'),
      by: ({ state, isSilent }) => (isSilent ? '' : state),
      cell: ({ state, isSilent, coordinator }) =>
        isSilent ? (
          <span className="tag bad" title={say('groupSilentHint', { broker: coordinator })}>
            {say('groupSilent')}
          </span>
        ) : (
          <GroupState state={state} />
        ),
    },
    {
      id: 'members',
      title: say('members'),
      isNumber: true,
      by: ({ members }) => members,
      cell: ({ members }) => (members === null ? '?' : number(members)),
    },
    {
      id: 'lag',
      title: say('lag'),
      isNumber: true,
      by: ({ lag }) => lag,
      cell: ({ lag, hidesTopics }) => <Lag lag={lag} isPart={hidesTopics} />,
    },
    {
      id: 'topics',
      title: say('topics'),
      isSecondary: true,
      by: ({ topics }) => topics.length,
      cell: ({ topics }) => (
        <span className="lags">
          {topics.slice(0, 3).map((topic) => (
            <Link
              key={topic}
              className="wrap"
              to="/$cluster/topics/$topic"
              params={{ cluster, topic }}
              search={{ tab: 'readers' }}
            >
              <Name>{topic}</Name>
            </Link>
          ))}
          {topics.length > 3 && <span className="faint">+{topics.length - 3}</span>}
        </span>
      ),
    },
  ];
}
