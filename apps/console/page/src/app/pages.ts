import { useSeesCluster } from '../lib/queries.ts';

/** All pages, in the order in which they stand. */
const PAGES = ['overview', 'topics', 'groups', 'transactions', 'nodes', 'access'] as const;
/** What there is for somebody who sees some topics and groups alone. */
const NAMED_PAGES = ['topics', 'groups'] as const;

const NO_PAGES = [] as const;

/** The pages that the reader may see. */
export function usePages(): readonly (typeof PAGES)[number][] {
  const seesCluster = useSeesCluster();
  if (seesCluster === undefined) return NO_PAGES;
  return seesCluster ? PAGES : NAMED_PAGES;
}
