import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import type { Answer, Input, Route, Session } from '../../../src/api/contract.ts';
import { isAllowed, type Named, type Role } from '../../../src/api/roles.ts';
import { call } from './api.ts';

/** How often what changes by itself is asked for again. */
const LIVE_MS = 2000;
/** Of lists that are long it is asked less often: a browser and a cluster have other things to do. */
const LONG_LIST = 1000;
const LONG_LIVE_MS = 8000;

/** Asks a route and asks again by itself, keeping what was known meanwhile: nothing flickers. */
export function useApi<R extends Route>(route: R, input: Input<R>, isLive = true): UseQueryResult<Answer<R>> {
  return useQuery<Answer<R>>({
    queryKey: [route, input],
    queryFn: ({ signal }) => call(route, input, signal),
    refetchInterval: ({ state }) => {
      if (!isLive) return false;
      return isLong(state.data) ? LONG_LIVE_MS : LIVE_MS;
    },
  });
}

/** Whether an answer is a long list, or has one. */
function isLong(data: unknown): boolean {
  const parts = Array.isArray(data) ? [data] : Object.values(data ?? {});
  return parts.some((part) => Array.isArray(part) && part.length > LONG_LIST);
}

export function useSession(): UseQueryResult<Session> {
  return useApi('GET /api/session', {}, false);
}

/** The cluster that the address names. */
export function useCluster(): string {
  const { cluster } = useParams({ strict: false }) as { cluster?: string };
  return cluster ?? '';
}

/** Whether the reader may do what takes this role on a topic, a group, or the cluster as a whole. */
export function useMay(role: Role, named?: Named): boolean {
  const { data } = useSession();
  return data !== undefined && !data.isReadOnly && isAllowed(data, role, named);
}

/** Whether the reader may do it with some topic, whichever. */
export function useMaySome(role: Role): boolean {
  const { data } = useSession();
  if (data === undefined || data.isReadOnly) return false;
  const grants = data.grants.filter(({ on }) => on === 'topic');
  return isAllowed(data, role) || grants.some((grant) => isAllowed({ role: grant.role, grants: [] }, role));
}

/** Whether the reader sees the cluster as a whole: its brokers, rights and transactions; undefined until it is known. */
export function useSeesCluster(): boolean | undefined {
  const { data } = useSession();
  return data === undefined ? undefined : isAllowed(data, 'viewer');
}
