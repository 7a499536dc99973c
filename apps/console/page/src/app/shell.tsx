import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { logOut } from '../lib/api.ts';
import { useCluster, useSession } from '../lib/queries.ts';
import { changeSettings, useSettings, useWords } from '../lib/settings.ts';
import { shownName } from '../lib/visible.ts';
import { usePages } from './pages.ts';
import { Palette } from './palette.tsx';

/** What is around every page: where one is, where one can go, and how it looks. */
export function Shell(): ReactNode {
  const say = useWords();
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  useKeys(() => setPaletteOpen(true));
  const cluster = useCluster();
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {say('skip')}
      </a>
      <header className="bar">
        <Link to="/" className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          <span>Millrace</span>
        </Link>
        <ClusterChoice />
        {cluster !== '' && <Pages cluster={cluster} />}
        <div className="grow" />
        <button type="button" className="palette-button" onClick={() => setPaletteOpen(true)}>
          <span>{say('search')}</span> <kbd>Ctrl K</kbd>
        </button>
        <Choices />
        <Who />
      </header>
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      {isPaletteOpen && <Palette onClose={() => setPaletteOpen(false)} />}
    </div>
  );
}

/** The pages' names; where they do not all fit, the one where one is stays in sight. */
function Pages({ cluster }: { cluster: string }): ReactNode {
  const say = useWords();
  const { pathname } = useLocation();
  const pages = usePages();
  const ref = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another address is another name to bring into sight
  useEffect(() => {
    const nav = ref.current;
    if (nav === null) return;
    const bringIntoSight = (): void =>
      nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    bringIntoSight();
    const watcher = new ResizeObserver(bringIntoSight);
    watcher.observe(nav);
    return () => watcher.disconnect();
  }, [pathname]);
  return (
    <nav ref={ref} aria-label={say('menu')}>
      {pages.map((page) => (
        <Link key={page} to={`/$cluster/${page}`} params={{ cluster }} activeProps={{ 'aria-current': 'page' }}>
          {say(page)}
        </Link>
      ))}
    </nav>
  );
}

function ClusterChoice(): ReactNode {
  const say = useWords();
  const { data } = useSession();
  const cluster = useCluster();
  const navigate = useNavigate();
  if (data === undefined || data.clusters.length < 2) return data?.isReadOnly ? <ReadOnly /> : null;
  return (
    <>
      <select
        aria-label={say('cluster')}
        value={cluster}
        onChange={(event) => void navigate({ to: '/$cluster/overview', params: { cluster: event.target.value } })}
      >
        {data.clusters.map((name) => (
          <option key={name} value={name}>
            {shownName(name)}
          </option>
        ))}
      </select>
      {data.isReadOnly && <ReadOnly />}
    </>
  );
}

function ReadOnly(): ReactNode {
  const say = useWords();
  return <span className="tag">{say('readOnly')}</span>;
}

/** Who has logged in, and the way out where there is one: a browser keeps a password for itself until it is closed. */
function Who(): ReactNode {
  const say = useWords();
  const { data } = useSession();
  if (typeof data?.user !== 'string') return null;
  const label = say('logOut', { who: data.user });
  return (
    <>
      <span className="who" title={say('loggedIn', { who: data.user })}>
        {shownName(data.user)}
      </span>
      {data.canLogOut && (
        <button type="button" className="quiet" aria-label={label} title={label} onClick={() => void logOut()}>
          ⏻
        </button>
      )}
    </>
  );
}

function Choices(): ReactNode {
  const say = useWords();
  const { theme, language } = useSettings();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <>
      <button
        type="button"
        className="quiet"
        aria-label={language === 'en' ? 'KO: 한국어 (Korean)' : 'EN: English'}
        title={language === 'en' ? '한국어 (Korean)' : 'English'}
        onClick={() => changeSettings({ language: language === 'en' ? 'ko' : 'en' })}
      >
        {language === 'en' ? 'KO' : 'EN'}
      </button>
      <button type="button" className="quiet" aria-label={say(other)} onClick={() => changeSettings({ theme: other })}>
        {theme === 'dark' ? '☀' : '☾'}
      </button>
    </>
  );
}

/** Ctrl-K opens the palette, / leads to the page's search. */
function useKeys(openPalette: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
        event.preventDefault();
        openPalette();
      } else if (event.key === '/' && !isTyping) {
        const box = document.querySelector<HTMLInputElement>('[data-search]');
        if (box === null) return;
        event.preventDefault();
        box.focus();
        box.select();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
}
