import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { BrokerRow, MapTopic, Overview } from '../../../src/api/contract.ts';
import { brief, bytes, number } from '../lib/format.ts';
import { useApi, useCluster } from '../lib/queries.ts';
import { stateOf } from '../lib/replica-state.ts';
import { useWords } from '../lib/settings.ts';
import { AtLeast, Counted, Loaded } from '../ui/parts.tsx';
import { BrokerTable } from './broker-table.tsx';

/** The cluster at a glance. */
export function OverviewPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const query = useApi('GET /api/clusters/:cluster/overview', { cluster });
  return (
    <>
      <h1>{say('overview')}</h1>
      <Loaded query={query}>
        {(overview) => (
          <>
            <Health overview={overview} />
            <Figures overview={overview} />
            <h2>{say('brokers')}</h2>
            <BrokerTable brokers={overview.brokers} />
            <h2>{say('map')}</h2>
            <ClusterMap overview={overview} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Health({ overview }: { overview: Overview }): ReactNode {
  const say = useWords();
  const { underReplicated: behind, offline, brokers } = overview;
  // The brokers are known to be gone before the controller has moved what they led.
  const down = brokers.filter(({ isUp }) => !isUp).length;
  const isWell = behind === 0 && offline === 0 && down === 0;
  return (
    <p className={isWell ? 'health well' : offline > 0 ? 'health bad' : 'health warn'} role="status">
      {down > 0 && `${say('brokersDown', { n: down, all: brokers.length })} `}
      {isWell ? say('allWell') : say('trouble', { behind: number(behind), offline: number(offline) })}
    </p>
  );
}

function Figures({ overview }: { overview: Overview }): ReactNode {
  const say = useWords();
  const up = overview.brokers.filter(({ isUp }) => isUp).length;
  const { records, rate } = overview;
  const sizes = overview.brokers.flatMap((broker) => broker.bytes ?? []);
  const silent = overview.brokers.length - sizes.length;
  const size = bytes(sizes.reduce((sum, each) => sum + each, 0));
  const figures: [string, ReactNode][] = [
    [say('brokers'), up === overview.brokers.length ? number(up) : `${up} / ${overview.brokers.length}`],
    [say('topics'), number(overview.topics)],
    [say('partitions'), number(overview.partitions)],
    [say('records'), <Counted key="records" count={records} show={brief} />],
    [say('rate'), rate === undefined ? '–' : <Counted key="rate" count={{ ...records, known: rate }} show={brief} />],
    [
      say('size'),
      silent === 0 ? (
        size
      ) : (
        <AtLeast key="size" title={say('atLeastBrokers', { n: silent })}>
          {size}
        </AtLeast>
      ),
    ],
  ];
  return (
    <dl className="figures">
      {figures.map(([title, value]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Partitions across, brokers down: a broker that has failed is a line of another colour. */
function ClusterMap({ overview }: { overview: Overview }): ReactNode {
  const say = useWords();
  const down = new Set(overview.brokers.filter(({ isUp }) => !isUp).map(({ id }) => id));
  return (
    <>
      <p className="legend">
        {(['leads', 'sync', 'behind', 'down'] as const).map((state) => (
          <span key={state}>
            <i className={`cell ${state}`} />
            {say(
              state === 'leads'
                ? 'legendLeader'
                : state === 'sync'
                  ? 'legendInSync'
                  : state === 'behind'
                    ? 'legendBehind'
                    : 'legendDown',
            )}
          </span>
        ))}
      </p>
      <div className="map">
        {overview.map.map((topic) => (
          <TopicMap key={topic.topic} topic={topic} brokers={overview.brokers} down={down} />
        ))}
      </div>
      {overview.mapLeftOut > 0 && <p className="note">{say('mapLeftOut', { n: number(overview.mapLeftOut) })}</p>}
    </>
  );
}

function TopicMap(props: { topic: MapTopic; brokers: readonly BrokerRow[]; down: ReadonlySet<number> }): ReactNode {
  const { topic, brokers, down } = props;
  const cluster = useCluster();
  const label = topic.partitions.map((each) => `${each.partition}: ${each.leader < 0 ? '–' : each.leader}`).join(', ');
  return (
    <figure>
      <figcaption>
        <Link to="/$cluster/topics/$topic" params={{ cluster, topic: topic.topic }} search={{ tab: 'partitions' }}>
          {topic.topic}
        </Link>
      </figcaption>
      <div role="img" aria-label={label}>
        {brokers.map(({ id }) => (
          <div key={id} className="line">
            <small>{id}</small>
            <div className="cells">
              {topic.partitions.map((partition) => (
                <i
                  key={partition.partition}
                  className={`cell ${stateOf(partition, id, down)}`}
                  title={`${topic.topic}-${partition.partition} @ ${id}`}
                />
              ))}
            </div>
          </div>
        ))}
      </div>
    </figure>
  );
}
