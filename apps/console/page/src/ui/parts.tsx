import { type UseQueryResult, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import type { Count } from '../../../src/api/contract.ts';
import { noteChange } from '../lib/changes.ts';
import { useFailure, useWords } from '../lib/settings.ts';
import { shownName, visible } from '../lib/visible.ts';
import { Breakable } from './breakable.tsx';

/** What is loaded, what is waited for and what went wrong, each with its own look. */
export function Loaded<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}): ReactNode {
  const say = useWords();
  if (query.data !== undefined) {
    return (
      <>
        {query.error !== null && <Problem error={query.error} />}
        {children(query.data)}
      </>
    );
  }
  if (query.error !== null) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">{say('loading')}</span>
      {[70, 92, 81, 88, 64].map((width) => (
        <div key={width} className="skeleton" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

export function Problem({ error, onRetry }: { error: Error; onRetry?: () => void }): ReactNode {
  const say = useWords();
  const { text, original } = useFailure(error);
  return (
    <div className="problem" role="alert">
      <strong>{say('failed')}</strong>
      <p>{visible(text)}</p>
      {original !== undefined && (
        <p className="faint" lang="en">
          {visible(original)}
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          {say('tryAgain')}
        </button>
      )}
    </div>
  );
}

/** A number that may be larger than is known, or not known at all, which is not zero. */
export function Counted({ count, show }: { count: Count; show: (known: number) => string }): ReactNode {
  const say = useWords();
  const { known, unknown } = count;
  if (known === undefined) {
    return (
      <abbr className="faint" title={say('notTold')}>
        ?
      </abbr>
    );
  }
  return unknown === 0 ? show(known) : <AtLeast title={say('atLeast', { n: unknown })}>{show(known)}</AtLeast>;
}

/** A figure of which a part is not known, and which. */
export function AtLeast({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <abbr className="at-least" title={title}>
      ≥ {children}
    </abbr>
  );
}

/** Above a list that brokers have not told their part of. */
export function Silent({ brokers }: { brokers: readonly number[] }): ReactNode {
  const say = useWords();
  if (brokers.length === 0) return null;
  return (
    <p className="health warn" role="status">
      {say('silentBrokers', { n: brokers.length, all: brokers.join(', ') })}
    </p>
  );
}

export function Empty({ children, isSmall = false }: { children: ReactNode; isSmall?: boolean }): ReactNode {
  if (isSmall) {
    return (
      <div className="empty small">
        <p>{children}</p>
      </div>
    );
  }
  return (
    <div className="empty">
      <svg viewBox="0 0 64 24" width="64" height="24" aria-hidden="true">
        <path
          d="M2 9c10-8 20-8 30 0s20 8 30 0M2 17c10-8 20-8 30 0s20 8 30 0"
          fill="none"
          stroke="currentColor"
          strokeWidth="2"
        />
      </svg>
      <p>{children}</p>
    </div>
  );
}

/** The browser's own dialog: it keeps the focus, closes by Escape and gives the focus back. */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  className?: string;
}): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  const title = visible(props.title);
  const say = useWords();
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} className={props.className ?? ''} onClose={props.onClose} aria-label={title}>
      <header>
        <h2>
          <Breakable>{title}</Breakable>
        </h2>
        <button type="button" className="quiet" aria-label={say('close')} onClick={() => ref.current?.close()}>
          ✕
        </button>
      </header>
      <div className="body">{props.children}</div>
    </dialog>
  );
}

/** A form in a dialog that asks the server for a change and shows what came of it. */
export function ChangeForm(props: {
  title: string;
  action: string;
  isDangerous?: boolean;
  isDisabled?: boolean;
  onClose: () => void;
  change: () => Promise<unknown>;
  children?: ReactNode;
}): ReactNode {
  const say = useWords();
  const client = useQueryClient();
  const [error, setError] = useState<Error>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await props.change();
      await client.invalidateQueries();
      noteChange();
      props.onClose();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={(event) => void submit(event)}>
        {props.children}
        {error !== undefined && <Problem error={error} />}
        <footer>
          <button type="button" onClick={props.onClose}>
            {say('cancel')}
          </button>
          <button
            type="submit"
            className={props.isDangerous === true ? 'danger' : 'primary'}
            disabled={isBusy || props.isDisabled === true}
          >
            {props.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Deletes something when its name has been typed. */
export function ConfirmByName(props: {
  title: string;
  action: string;
  name: string;
  onClose: () => void;
  change: (confirm: string) => Promise<unknown>;
}): ReactNode {
  const say = useWords();
  const [typed, setTyped] = useState('');
  // What nobody can type is typed as it is shown.
  const wanted = shownName(props.name);
  const isTyped = typed === wanted || (typed === props.name && typed !== '');
  return (
    <ChangeForm {...props} isDangerous isDisabled={!isTyped} change={() => props.change(props.name)}>
      <Field label={say('typeName', { name: wanted })}>
        <input value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" spellCheck={false} />
      </Field>
    </ChangeForm>
  );
}

export function Field({ label, children }: { label: string; children: ReactNode }): ReactNode {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is what stands in it
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/** A box that `/` leads to. */
export function SearchBox(props: { label: string; value: string; onChange: (value: string) => void }): ReactNode {
  return (
    <input
      type="search"
      className="search"
      data-search=""
      placeholder={`${props.label}  /`}
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
    />
  );
}
