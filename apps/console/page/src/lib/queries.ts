import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import type { Answer, Input, Role, Route, Session } from '../../../src/api/contract.ts';
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
      return Array.isArray(state.data) && state.data.length > LONG_LIST ? LONG_LIVE_MS : LIVE_MS;
    },
  });
}

export function useSession(): UseQueryResult<Session> {
  return useApi('GET /api/session', {}, false);
}

/** The cluster that the address names. */
export function useCluster(): string {
  const { cluster } = useParams({ strict: false }) as { cluster?: string };
  return cluster ?? '';
}

const ROLES: readonly Role[] = ['viewer', 'editor', 'admin'];

/** Whether the reader may do what takes this role. */
export function useMay(role: Role): boolean {
  const { data } = useSession();
  return data !== undefined && !data.isReadOnly && ROLES.indexOf(data.role) >= ROLES.indexOf(role);
}
