import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type ReactNode, useMemo, useState } from 'react';
import type { GroupRow } from '../../../src/api/contract.ts';
import { pathPart } from '../../../src/api/names.ts';
import { useApi, useCluster } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Name } from '../ui/name.tsx';
import { Dialog } from '../ui/parts.tsx';
import { usePages } from './pages.ts';

interface Target {
  readonly kind: string;
  readonly name: string;
  readonly path: string;
}

const SHOWN_MAX = 12;

/** Leads anywhere by a few letters. */
export function Palette({ onClose }: { onClose: () => void }): ReactNode {
  const say = useWords();
  const navigate = useNavigate();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const all = useTargets(say);
  const found = useMemo(() => best(all, typed), [all, typed]);
  const go = (target: Target | undefined): void => {
    if (target === undefined) return;
    onClose();
    void navigate({ href: target.path });
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((before) => Math.max(0, Math.min(found.length - 1, before + step)));
    } else if (event.key === 'Enter') go(found[at]);
  };
  return (
    <Dialog title={say('palette')} className="palette" onClose={onClose}>
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] === undefined ? undefined : `palette-${at}`}
        aria-label={say('palette')}
        value={typed}
        onKeyDown={onKey}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
      />
      <div id="palette-list" role="listbox" aria-label={say('search')}>
        {found.map((target, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the input's
          <div
            key={target.path}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onClick={() => go(target)}
          >
            <span>
              <Name>{target.name}</Name>
            </span>
            <small className="kept">{target.kind}</small>
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <p className="note" role="status">
          {say('noMatch')}
        </p>
      )}
    </Dialog>
  );
}

const NO_GROUPS: readonly GroupRow[] = [];

function useTargets(say: Say): Target[] {
  const seen = usePages();
  const cluster = useCluster();
  const topics = useApi('GET /api/clusters/:cluster/topics', { cluster }, false).data ?? [];
  const groups = useApi('GET /api/clusters/:cluster/groups', { cluster }, false).data?.groups ?? NO_GROUPS;
  return useMemo(() => {
    const base = `/${pathPart(cluster)}`;
    const pages = seen.map((page) => ({
      kind: '',
      name: say(page),
      path: `${base}/${page}`,
    }));
    const named = (kind: string, names: readonly string[], folder: string): Target[] =>
      names.map((name) => ({ kind, name, path: `${base}/${folder}/${pathPart(name)}` }));
    return [
      ...pages,
      ...named(
        say('topic'),
        topics.map(({ topic }) => topic),
        'topics',
      ),
      ...named(
        say('group'),
        groups.map(({ group }) => group),
        'groups',
      ),
    ];
  }, [cluster, topics, groups, seen, say]);
}

/** Names that begin with it come before those that have it within. */
function best(all: readonly Target[], typed: string): Target[] {
  const wanted = typed.trim().toLowerCase();
  const rank = ({ name }: Target): number => {
    const at = name.toLowerCase().indexOf(wanted);
    return at < 0 ? 3 : at === 0 ? 0 : 1;
  };
  return all
    .map((target) => ({ target, rank: rank(target) }))
    .filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, SHOWN_MAX)
    .map(({ target }) => target);
}
