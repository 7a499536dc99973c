import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, useMemo, useState } from 'react';
import type { GroupLag, TopicFigures, TopicRow } from '../../../src/api/contract.ts';
import { brief, bytes, number } from '../lib/format.ts';
import { useApi, useCluster, useMaySome } from '../lib/queries.ts';
import type { ListSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { shownName, visible } from '../lib/visible.ts';
import { Breakable } from '../ui/breakable.tsx';
import { AtLeast, Counted, Empty, Loaded, Problem, SearchBox } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

const NewTopic = lazy(() => import('./new-topic.tsx'));

/** All topics, with what people look for when something is slow. */
export function TopicsPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const mayChange = useMaySome('admin');
  const [isMaking, setMaking] = useState(false);
  const { q = '', internal = false } = useSearch({ strict: false }) as ListSearch;
  const navigate = useNavigate();
  const query = useApi('GET /api/clusters/:cluster/topics', { cluster });
  // The names are there to be read and searched before anybody has counted what is in them.
  const figures = useApi('GET /api/clusters/:cluster/topic-figures', { cluster });
  const byTopic = useMemo(() => new Map(figures.data?.map((each) => [each.topic, each])), [figures.data]);
  const columns = useMemo(() => columnsOf(say, cluster), [say, cluster]);
  const search = (text: string): void =>
    void navigate({
      to: '/$cluster/topics',
      params: { cluster },
      search: (before: ListSearch) => ({ ...before, q: text === '' ? undefined : text }),
      replace: true,
    });
  const showInternal = (isShown: boolean): void =>
    void navigate({
      to: '/$cluster/topics',
      params: { cluster },
      search: (before: ListSearch) => ({ ...before, internal: isShown ? true : undefined }),
      replace: true,
    });
  return (
    <>
      <div className="title">
        <h1>{say('topics')}</h1>
        <SearchBox label={say('searchTopics')} value={q} onChange={search} />
        <label className="check">
          <input type="checkbox" checked={internal} onChange={(event) => showInternal(event.target.checked)} />
          {say('showInternal')}
        </label>
        <div className="grow" />
        {mayChange && (
          <button type="button" className="primary" onClick={() => setMaking(true)}>
            {say('newTopic')}
          </button>
        )}
      </div>
      {figures.error !== null && <Problem error={figures.error} />}
      <Loaded query={query}>
        {(topics) => <TopicTable topics={topics} figures={byTopic} columns={columns} q={q} internal={internal} />}
      </Loaded>
      {isMaking && (
        <Suspense>
          <NewTopic cluster={cluster} onClose={() => setMaking(false)} />
        </Suspense>
      )}
    </>
  );
}

const BY_NAME = { id: 'topic', isDown: false };

function TopicTable(props: {
  topics: readonly TopicRow[];
  figures: ReadonlyMap<string, TopicFigures>;
  columns: readonly Column<ShownTopic>[];
  q: string;
  internal: boolean;
}): ReactNode {
  const { topics, figures, columns, q, internal } = props;
  const say = useWords();
  // The same rows are not sorted anew: ten thousand names take longer than all the rest of the page.
  const shown = useMemo(
    () =>
      topics.flatMap((row) =>
        (internal || !row.isInternal) && matches(row, q) ? [{ ...row, figures: figures.get(row.topic) }] : [],
      ),
    [topics, figures, q, internal],
  );
  if (shown.length === 0) return <Empty>{say(q === '' ? 'noTopics' : 'noMatch')}</Empty>;
  return (
    <DataTable
      isInAddress
      label={say('topics')}
      columns={columns}
      rows={shown}
      keyOf={({ topic }) => topic}
      sorting={BY_NAME}
    />
  );
}

/** A topic with what is known of it; its figures come later than its name. */
interface ShownTopic extends TopicRow {
  readonly figures: TopicFigures | undefined;
}

/** Every word that is typed is in the name. */
function matches({ topic }: TopicRow, search: string): boolean {
  const name = topic.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => name.includes(word));
}

function columnsOf(say: Say, cluster: string): Column<ShownTopic>[] {
  return [
    {
      id: 'topic',
      title: say('topic'),
      by: ({ topic }) => topic,
      cell: (row) => (
        <>
          <Link to="/$cluster/topics/$topic" params={{ cluster, topic: row.topic }} search={{}}>
            <Breakable>{row.topic}</Breakable>
          </Link>{' '}
          {row.isInternal && <span className="tag">{say('internal')}</span>}
          {row.offline > 0 && <span className="tag bad">{say('offline')}</span>}
          {row.offline === 0 && row.underReplicated > 0 && <span className="tag warn">{say('underReplicated')}</span>}
        </>
      ),
    },
    {
      id: 'records',
      title: say('records'),
      isNumber: true,
      by: ({ figures }) => figures?.records.known,
      cell: ({ figures }) => (figures === undefined ? <ToCome /> : <Counted count={figures.records} show={number} />),
    },
    {
      id: 'rate',
      title: say('rate'),
      isNumber: true,
      isSecondary: true,
      by: ({ figures }) => figures?.rate,
      cell: ({ figures }) =>
        figures?.rate === undefined ? (
          '–'
        ) : (
          <Counted count={{ known: figures.rate, unknown: figures.records.unknown }} show={brief} />
        ),
    },
    {
      id: 'size',
      title: say('size'),
      isNumber: true,
      by: ({ figures }) => figures?.bytes.known,
      cell: ({ figures }) => (figures === undefined ? <ToCome /> : <Counted count={figures.bytes} show={bytes} />),
    },
    {
      id: 'cleanup',
      title: say('cleanup'),
      isSecondary: true,
      by: ({ figures }) => figures?.cleanup,
      cell: ({ figures }) => <span className="faint kept">{figures?.cleanup ?? '–'}</span>,
    },
    {
      id: 'partitions',
      title: say('partitions'),
      isNumber: true,
      isSecondary: true,
      by: (row) => row.partitions,
      cell: (row) => `${number(row.partitions)} × ${row.replication}`,
    },
    {
      id: 'lag',
      title: say('lag'),
      isNumber: true,
      // The slowest comes first.
      by: ({ figures }) => (figures?.groups[0] === undefined ? undefined : (figures.groups[0].lag ?? -1)),
      cell: ({ figures }) => (figures === undefined ? <ToCome /> : <Lags groups={figures.groups} cluster={cluster} />),
    },
  ];
}

/** In the place of a figure that is being counted. */
function ToCome(): ReactNode {
  return <span className="to-come" />;
}

const LAGS_SHOWN = 2;

function Lags({ groups, cluster }: { groups: readonly GroupLag[]; cluster: string }): ReactNode {
  if (groups.length === 0) return <span className="faint">–</span>;
  return (
    <span className="lags">
      {groups.slice(0, LAGS_SHOWN).map(({ group, lag }) => (
        <Link key={group} to="/$cluster/groups/$group" params={{ cluster, group }}>
          <span className="whose" title={visible(group)}>
            {shownName(group)}
          </span>{' '}
          <Lag lag={lag} />
        </Link>
      ))}
      <More of={groups.length - LAGS_SHOWN} at="desk" />
      <More of={groups.length - 1} at="hand" />
    </span>
  );
}

/** How many more groups there are than are shown: where there is little room only the slowest is. */
function More({ of, at }: { of: number; at: 'desk' | 'hand' }): ReactNode {
  return of > 0 && <span className={`faint in-${at}`}>+{of}</span>;
}

/** A lag; what is not known is not zero, and does not look like it; nor does what somebody may see of it look like all of it. */
export function Lag({ lag, isPart = false }: { lag: number | null; isPart?: boolean }): ReactNode {
  const say = useWords();
  if (lag === null) {
    return (
      <abbr className="faint" title={say('unknownLag')}>
        ?
      </abbr>
    );
  }
  const shown = <b className={lag > 0 ? 'warn' : 'well'}>{number(lag)}</b>;
  return isPart ? <AtLeast title={say('hiddenLag')}>{shown}</AtLeast> : shown;
}
