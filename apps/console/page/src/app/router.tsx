import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Navigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useSession } from '../lib/queries.ts';
import { Loaded } from '../ui/parts.tsx';
import { Shell } from './shell.tsx';

/** What the address of a topic says beside its name: which part is shown, and what of its messages. */
export interface TopicSearch {
  readonly tab?: 'messages' | 'partitions' | 'configs' | 'readers' | undefined;
  readonly from?: 'newest' | 'beginning' | 'offset' | 'time' | undefined;
  readonly at?: string | undefined;
  readonly partition?: number | undefined;
  readonly q?: string | undefined;
  readonly as?: 'text' | 'regex' | 'javascript' | 'jsonpath' | undefined;
  /** The message that is open. */
  readonly m?: string | undefined;
}

/** Which part of the rights is shown. */
export interface AccessSearch {
  readonly part?: 'acls' | 'users' | 'quotas' | undefined;
}

const root = createRootRoute({ component: Shell });
const home = createRoute({ getParentRoute: () => root, path: '/', component: Home });
const cluster = createRoute({ getParentRoute: () => root, path: '/$cluster' });
const first = createRoute({ getParentRoute: () => cluster, path: '/', component: ToOverview });
const overview = createRoute({
  getParentRoute: () => cluster,
  path: '/overview',
  component: lazyRouteComponent(() => import('../pages/overview.tsx'), 'OverviewPage'),
});
const topics = createRoute({
  getParentRoute: () => cluster,
  path: '/topics',
  validateSearch: textSearch,
  component: lazyRouteComponent(() => import('../pages/topics.tsx'), 'TopicsPage'),
});
const topic = createRoute({
  getParentRoute: () => cluster,
  path: '/topics/$topic',
  // Whatever an address says that means nothing is refused by the server, in words.
  validateSearch: (search: Record<string, unknown>): TopicSearch => search as TopicSearch,
  component: lazyRouteComponent(() => import('../pages/topic.tsx'), 'TopicPage'),
});
const groups = createRoute({
  getParentRoute: () => cluster,
  path: '/groups',
  validateSearch: textSearch,
  component: lazyRouteComponent(() => import('../pages/groups.tsx'), 'GroupsPage'),
});
const group = createRoute({
  getParentRoute: () => cluster,
  path: '/groups/$group',
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
  validateSearch: textSearch,
  component: lazyRouteComponent(() => import('../pages/transactions.tsx'), 'TransactionsPage'),
});
const access = createRoute({
  getParentRoute: () => cluster,
  path: '/access',
  // A tab that there is not shows the first.
  validateSearch: (search: Record<string, unknown>): AccessSearch => search as AccessSearch,
  component: lazyRouteComponent(() => import('../pages/access.tsx'), 'AccessPage'),
});

function textSearch(search: Record<string, unknown>): { q?: string } {
  return typeof search['q'] === 'string' ? { q: search['q'] } : {};
}

function Home(): ReactNode {
  const session = useSession();
  return (
    <Loaded query={session}>
      {({ clusters }) => <Navigate to="/$cluster/overview" params={{ cluster: clusters[0] ?? '' }} replace />}
    </Loaded>
  );
}

function ToOverview(): ReactNode {
  return <Navigate from="/$cluster" to="/$cluster/overview" replace />;
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
