import { Link, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useCluster } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { Acls } from './acls.tsx';
import { Quotas } from './quotas.tsx';
import { Users } from './users.tsx';

const TABS = ['acls', 'users', 'quotas'] as const;

/** Who may do what, who is known, and how much everybody may take. */
export function AccessPage(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const { part: asked } = useSearch({ strict: false }) as { part?: string };
  const tab = TABS.find((each) => each === asked) ?? 'acls';
  return (
    <>
      <h1>{say('access')}</h1>
      <nav className="tabs" aria-label={say('access')}>
        {TABS.map((each) => (
          <Link
            key={each}
            to="/$cluster/access"
            params={{ cluster }}
            search={{ part: each }}
            aria-current={each === tab ? 'page' : undefined}
          >
            {say(each)}
          </Link>
        ))}
      </nav>
      {tab === 'acls' ? <Acls /> : tab === 'users' ? <Users /> : <Quotas />}
    </>
  );
}
