import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Navigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { markedName, nameOf } from '../../../src/api/names.ts';
import { useCluster, useSeesCluster, useSession } from '../lib/queries.ts';
import type { AccessSearch, GroupSearch, ListSearch, SortSearch, TopicSearch } from '../lib/searches.ts';
import { Loaded } from '../ui/parts.tsx';
import { Shell } from './shell.tsx';

const root = createRootRoute({ component: Shell });
const home = createRoute({ getParentRoute: () => root, path: '/', component: Home });
const cluster = createRoute({ getParentRoute: () => root, path: '/$cluster', params: asNames('cluster') });
const first = createRoute({ getParentRoute: () => cluster, path: '/', component: ToOverview });
const overview = createRoute({
  getParentRoute: () => cluster,
  path: '/overview',
  component: lazyRouteComponent(() => import('../pages/overview.tsx'), 'OverviewPage'),
});
const topics = createRoute({
  getParentRoute: () => cluster,
  path: '/topics',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/topics.tsx'), 'TopicsPage'),
});
const topic = createRoute({
  getParentRoute: () => cluster,
  path: '/topics/$topic',
  params: asNames('topic'),
  // Whatever an address says that means nothing is refused by the server, in words.
  validateSearch: (search: Record<string, unknown>): TopicSearch => search as TopicSearch,
  component: lazyRouteComponent(() => import('../pages/topic.tsx'), 'TopicPage'),
});
const groups = createRoute({
  getParentRoute: () => cluster,
  path: '/groups',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/groups.tsx'), 'GroupsPage'),
});
const group = createRoute({
  getParentRoute: () => cluster,
  path: '/groups/$group',
  params: asNames('group'),
  validateSearch: ({ p, sort }: Record<string, unknown>): GroupSearch => ({
    ...(typeof p === 'string' ? { p } : {}),
    ...sortOf(sort),
  }),
  component: lazyRouteComponent(() => import('../pages/group.tsx'), 'GroupPage'),
});
const nodes = createRoute({
  getParentRoute: () => cluster,
  path: '/nodes',
  component: lazyRouteComponent(() => import('../pages/nodes.tsx'), 'NodesPage'),
});
const node = createRoute({
  getParentRoute: () => cluster,
  path: '/nodes/$broker',
  component: lazyRouteComponent(() => import('../pages/nodes.tsx'), 'NodePage'),
});

const transactions = createRoute({
  getParentRoute: () => cluster,
  path: '/transactions',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../pages/transactions.tsx'), 'TransactionsPage'),
});
const access = createRoute({
  getParentRoute: () => cluster,
  path: '/access',
  // A tab that there is not shows the first.
  validateSearch: (search: Record<string, unknown>): AccessSearch => search as AccessSearch,
  component: lazyRouteComponent(() => import('../pages/access.tsx'), 'AccessPage'),
});

/** A name in the address of a page is what it is in those of the API. */
function asNames<N extends string>(name: N) {
  return {
    parse: (params: Record<N, string>) => ({ [name]: nameOf(params[name]) }) as Record<N, string>,
    stringify: (params: Record<N, string>) => ({ [name]: markedName(params[name]) }) as Record<N, string>,
  };
}

function listSearch({ q, sort, internal }: Record<string, unknown>): ListSearch {
  return {
    ...(typeof q === 'string' ? { q } : {}),
    ...sortOf(sort),
    ...(internal === true ? { internal } : {}),
  };
}

function sortOf(sort: unknown): SortSearch {
  return typeof sort === 'string' ? { sort } : {};
}

function Home(): ReactNode {
  const session = useSession();
  return <Loaded query={session}>{({ clusters }) => <ToFirstPage cluster={clusters[0] ?? ''} />}</Loaded>;
}

function ToOverview(): ReactNode {
  const session = useSession();
  const name = useCluster();
  return <Loaded query={session}>{() => <ToFirstPage cluster={name} />}</Loaded>;
}

/** The first page that the reader may see. */
function ToFirstPage({ cluster: name }: { cluster: string }): ReactNode {
  const seesCluster = useSeesCluster() === true;
  return <Navigate to={seesCluster ? '/$cluster/overview' : '/$cluster/topics'} params={{ cluster: name }} replace />;
}

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    cluster.addChildren([first, overview, topics, topic, groups, group, nodes, node, transactions, access]),
  ]),
  defaultPreload: 'intent',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
