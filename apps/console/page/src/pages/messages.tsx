import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, lazy, type ReactNode, Suspense, useState } from 'react';
import type { Message, Shown, UnreadPartition } from '../../../src/api/contract.ts';
import { noteChange } from '../lib/changes.ts';
import { number } from '../lib/format.ts';
import { instantMs, instantOf, localField } from '../lib/instants.ts';
import { type Reading, useReading } from '../lib/reading.ts';
import type { TopicSearch } from '../lib/searches.ts';
import { useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import type { Word } from '../lib/words.ts';
import { InPart } from '../ui/in-part.tsx';
import { Instant, ZoneSwitch } from '../ui/instant.tsx';
import { Empty, Problem } from '../ui/parts.tsx';
import { saveMessages } from './export.ts';
import type { ExportPlace } from './export-all.tsx';

const MessageDetail = lazy(() => import('./message-detail.tsx'));
const ExportAll = lazy(() => import('./export-all.tsx'));

interface Place {
  readonly cluster: string;
  readonly topic: string;
}

/** Reads a topic: from where one likes, with a search, page by page or live. */
export function Messages({ cluster, topic, partitions }: Place & { partitions: number }): ReactNode {
  // The router has checked nothing of it: the server does, and says so.
  const search = useSearch({ strict: false }) as TopicSearch;
  const say = useWords();
  const navigate = useNavigate();
  const go = (change: Partial<TopicSearch>): void => {
    const to = { to: '/$cluster/topics/$topic', params: { cluster, topic } } as const;
    // What is read otherwise is read from its first page on.
    const all = 'm' in change ? change : { c: undefined, ...change };
    void navigate({ ...to, search: (before: TopicSearch) => ({ ...before, ...all }), resetScroll: false });
  };
  const isLive = search.live === true;
  const from = search.from ?? 'newest';
  const at = from === 'time' ? instantMs(search.at) : Number(search.at ?? 0);
  const plan = {
    ...{ cluster, topic, from },
    at: from === 'offset' || from === 'time' ? placeOf(at) : undefined,
    partition: search.partition,
    search: search.q === undefined ? undefined : String(search.q),
    searchAs: search.q === undefined ? undefined : (search.as ?? 'text'),
  };
  const reading = useReading({
    ...plan,
    cursor: isLive || search.c === undefined ? undefined : String(search.c),
    live: isLive,
  });
  return (
    <>
      <PlanForm search={search} partitions={partitions} go={go} isLive={isLive} />
      <SearchHelp as={search.as} />
      <Progress reading={reading} isLive={isLive} />
      {reading.error !== undefined && <Problem error={reading.error} />}
      <InPart records={reading.inPart} />
      <Unread reading={reading} isLive={isLive} go={go} />
      <List
        reading={reading}
        search={search}
        go={go}
        onOpen={({ partition, offset }) => go({ m: `${partition}-${offset}` })}
      />
      <NotOnPage reading={reading} />
      <footer className="pages">
        {search.c !== undefined && !isLive && (
          <button type="button" onClick={() => go({ c: undefined })}>
            {say('back')}
          </button>
        )}
        {reading.cursor !== null && !isLive && (
          <button type="button" onClick={() => go({ c: reading.cursor ?? undefined })}>
            {say('older')}
          </button>
        )}
        <div className="grow" />
        <Exports plan={plan} messages={reading.messages} />
      </footer>
      {search.m !== undefined && (
        <Suspense>
          <MessageDetail
            cluster={cluster}
            topic={topic}
            place={search.m}
            onMove={(m) => go({ m })}
            onClose={() => go({ m: undefined })}
          />
        </Suspense>
      )}
    </>
  );
}

/** An offset or an instant as the server takes it, whatever was typed. */
function placeOf(at: number): number {
  return Number.isNaN(at) ? 0 : Math.min(Math.max(Math.trunc(at), 0), Number.MAX_SAFE_INTEGER);
}

/** What the page shows as a file, and all that there is of it. */
function Exports({ plan, messages }: { plan: ExportPlace; messages: readonly Message[] }): ReactNode {
  const say = useWords();
  const [isExporting, setExporting] = useState(false);
  const { topic } = plan;
  if (messages.length === 0 && !isExporting) return null;
  return (
    <>
      <button type="button" className="quiet" onClick={() => saveMessages(topic, messages, 'jsonl')}>
        {say('exportJson')}
      </button>
      <button type="button" className="quiet" onClick={() => saveMessages(topic, messages, 'csv')}>
        {say('exportCsv')}
      </button>
      <button type="button" className="quiet" onClick={() => setExporting(true)}>
        {say('exportAll')}
      </button>
      {isExporting && (
        <Suspense>
          <ExportAll place={plan} onClose={() => setExporting(false)} />
        </Suspense>
      )}
    </>
  );
}

function PlanForm(props: {
  search: TopicSearch;
  partitions: number;
  go: (change: Partial<TopicSearch>) => void;
  isLive: boolean;
}): ReactNode {
  const say = useWords();
  const { search, partitions, go, isLive } = props;
  const from = search.from ?? 'newest';
  return (
    <div className="plan-form">
      <select
        aria-label={say('from')}
        value={from}
        disabled={isLive}
        onChange={(event) => go({ from: event.target.value as NonNullable<TopicSearch['from']>, at: undefined })}
      >
        {(['newest', 'beginning', 'offset', 'time'] as const).map((each) => (
          <option key={each} value={each}>
            {say(each)}
          </option>
        ))}
      </select>
      {(from === 'offset' || from === 'time') && (
        <PlaceField key={`${from} ${search.at}`} from={from} at={search.at} onChange={(at) => go({ at })} />
      )}
      <select
        aria-label={say('partition')}
        value={search.partition ?? ''}
        onChange={(event) => go({ partition: event.target.value === '' ? undefined : Number(event.target.value) })}
      >
        <option value="">
          {say('partition')}: {say('all')}
        </option>
        {Array.from({ length: partitions }, (_, partition) => partition).map((partition) => (
          <option key={partition} value={partition}>
            {say('partition')}: {partition}
          </option>
        ))}
      </select>
      <button
        type="button"
        aria-pressed={isLive}
        className={isLive ? 'live on' : 'live'}
        onClick={() => go({ live: isLive ? undefined : true })}
      >
        {say('live')}
      </button>
      <SearchForm key={String(search.q)} search={search} go={go} />
    </div>
  );
}

/** An offset, or a time of the reader's own zone. */
function PlaceField(props: {
  from: 'offset' | 'time';
  at: TopicSearch['at'];
  onChange: (at: string | undefined) => void;
}): ReactNode {
  const say = useWords();
  const { from, at, onChange } = props;
  const before = from === 'time' ? localField(at) : String(at ?? '');
  const [typed, setTyped] = useState(before);
  const change = (): void => {
    if (typed !== before) onChange(typed === '' ? undefined : from === 'time' ? instantOf(typed) : typed);
  };
  return (
    <input
      aria-label={say(from)}
      type={from === 'time' ? 'datetime-local' : 'number'}
      step={from === 'time' ? '0.001' : '1'}
      min={from === 'time' ? undefined : 0}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onBlur={change}
      onKeyDown={(event) => event.key === 'Enter' && change()}
    />
  );
}

const HELP_ID = 'search-help';

function isHelped(as: TopicSearch['as']): boolean {
  return as === 'jsonpath' || as === 'javascript';
}

function SearchForm({ search, go }: { search: TopicSearch; go: (change: Partial<TopicSearch>) => void }): ReactNode {
  const say = useWords();
  const [text, setText] = useState(String(search.q ?? ''));
  const as = search.as ?? 'text';
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    go({ q: text === '' ? undefined : text, as });
  };
  return (
    <form className="search-form" onSubmit={submit}>
      <input
        type="search"
        data-search=""
        aria-label={say('searchIn')}
        aria-describedby={isHelped(as) ? HELP_ID : undefined}
        placeholder={
          as === 'javascript' ? say('scriptHint') : as === 'jsonpath' ? say('pathHint') : `${say('searchIn')}  /`
        }
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          if (event.target.value === '') go({ q: undefined });
        }}
      />
      <select
        aria-label={say('search')}
        value={as}
        onChange={(event) => go({ as: event.target.value as NonNullable<TopicSearch['as']> })}
      >
        {(['text', 'regex', 'jsonpath', 'javascript'] as const).map((each) => (
          <option key={each} value={each}>
            {say(each)}
          </option>
        ))}
      </select>
    </form>
  );
}

/** What can be written where the field's own words do not tell. */
function SearchHelp({ as }: Pick<TopicSearch, 'as'>): ReactNode {
  const say = useWords();
  if (!isHelped(as)) return null;
  return (
    <p className="note" id={HELP_ID}>
      {say(as === 'jsonpath' ? 'pathHelp' : 'scriptHelp')}
    </p>
  );
}

function Progress({ reading, isLive }: { reading: Reading; isLive: boolean }): ReactNode {
  const say = useWords();
  const { progress, isReading, stop } = reading;
  if (isLive || progress === undefined) return <div className="progress" />;
  const { scanned, total } = progress;
  return (
    <div className="progress">
      {isReading && <progress max={Math.max(1, total)} value={scanned} aria-label={say('loading')} />}
      <small className="faint">{say('scanned', { n: number(scanned), total: number(total) })}</small>
      {isReading && (
        <button type="button" className="quiet" onClick={stop}>
          {say('stop')}
        </button>
      )}
    </div>
  );
}

/** What of the topic is not on the page because nobody could read it, and the way to it. */
function Unread(props: { reading: Reading; isLive: boolean; go: (change: Partial<TopicSearch>) => void }): ReactNode {
  const say = useWords();
  const { unread, cursor } = props.reading;
  if (unread.length === 0) return null;
  const told = (why: UnreadPartition['why'], word: Word): string => {
    const some = unread.filter((each) => each.why === why).map(({ partition }) => partition);
    return some.length === 0 ? '' : say(word, { n: some.length, all: some.join(', ') });
  };
  return (
    <div className="health warn unread" role="status">
      <strong>{say('unread')}</strong> {told('noLeader', 'unreadNoLeader')} {told('noAnswer', 'unreadNoAnswer')}{' '}
      {!props.isLive && (
        <button type="button" onClick={() => (cursor === null ? noteChange() : props.go({ c: cursor }))}>
          {say(cursor === null ? 'tryAgain' : 'readOn')}
        </button>
      )}
    </div>
  );
}

/** What a live tail does not show: what has left the page, and what it was not told while it was cut off. */
function NotOnPage({ reading: { left, gap } }: { reading: Reading }): ReactNode {
  const say = useWords();
  return (
    <>
      {gap !== undefined && (
        <p className="health warn" role="status">
          {gap.isKnown ? say('tailGap', { n: gap.records }) : say('tailGapUnknown')}
        </p>
      )}
      {left > 0 && <p className="note">{say('tailLeft', { n: left })}</p>}
    </>
  );
}

/** In the place of messages of which there are none where one has looked: what else can be looked at. */
function Nothing({ search, go }: { search: TopicSearch; go: (change: Partial<TopicSearch>) => void }): ReactNode {
  const say = useWords();
  const offer = (word: Word, change: Partial<TopicSearch>): ReactNode => (
    <button type="button" className="link" onClick={() => go(change)}>
      {say(word)}
    </button>
  );
  return (
    <Empty>
      {say(search.q === undefined ? 'noMessages' : 'noneFound')}
      <span className="offers">
        {(search.from === 'offset' || search.from === 'time') &&
          offer('lookFromBeginning', { from: 'beginning', at: undefined })}
        {search.partition !== undefined && offer('lookInAll', { partition: undefined })}
        {search.q !== undefined && offer('lookWithoutSearch', { q: undefined })}
      </span>
    </Empty>
  );
}

function List(props: {
  reading: Reading;
  search: TopicSearch;
  go: (change: Partial<TopicSearch>) => void;
  onOpen: (message: Message) => void;
}): ReactNode {
  const say = useWords();
  const { reading, search, go, onOpen } = props;
  const { messages, isReading } = reading;
  // Where something could not be read nobody knows that there is nothing.
  const isWhole = reading.error === undefined && reading.unread.length === 0;
  if (messages.length === 0 && !isReading && isWhole) return <Nothing search={search} go={go} />;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="table" tabIndex={0} aria-label={say('messages')} aria-busy={isReading}>
      <table className="messages">
        <thead>
          <tr>
            <th scope="col">
              {say('timestamp')} <ZoneSwitch />
            </th>
            <th scope="col" className="num">
              {say('offset')}
            </th>
            <th scope="col" className="secondary">
              {say('key')}
            </th>
            <th scope="col">{say('value')}</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <Row key={`${message.partition}-${message.offset}`} message={message} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ message, onOpen }: { message: Message; onOpen: (message: Message) => void }): ReactNode {
  const { partition, offset, timestamp, transaction } = message;
  return (
    // What was aborted no reader counts: it is there, and is not to be taken for what is. A keyboard has the button of the offset.
    <tr
      className={transaction === 'aborted' ? 'aborted' : undefined}
      onClick={({ target }) => {
        if (isOfTheRow(target)) onOpen(message);
      }}
    >
      <td>
        <Instant ms={timestamp} />
      </td>
      <td className="num">
        <button type="button" className="link" onClick={() => onOpen(message)}>
          {partition}:{offset}
        </button>
      </td>
      <td className="secondary value">
        <Misfit shown={message.key} />
        <ShownValue shown={message.key} />
      </td>
      <td className="value">
        {/* Where there is no room for a column of its own. */}
        <div className="key-above value">
          <Misfit shown={message.key} />
          <ShownValue shown={message.key} />
        </div>
        <Outcome transaction={transaction} />
        <Misfit shown={message.value} />
        <ShownValue shown={message.value} />
      </td>
    </tr>
  );
}

/** Whether a click is one on the row: not on what has one of its own, and not the end of choosing a part of a text. */
function isOfTheRow(target: EventTarget): boolean {
  const isOfAnother = target instanceof Element && target.closest('a, button, summary') !== null;
  return !isOfAnother && (window.getSelection()?.isCollapsed ?? true);
}

/** What became of its transaction, where that is not what one expects. */
function Outcome({ transaction }: Pick<Message, 'transaction'>): ReactNode {
  const say = useWords();
  if (transaction !== 'aborted' && transaction !== 'open') return null;
  const isAborted = transaction === 'aborted';
  return (
    <span
      className={isAborted ? 'tag bad outcome' : 'tag warn outcome'}
      title={say(isAborted ? 'txnAbortedHint' : 'txnOpenHint')}
    >
      {say(isAborted ? 'aborted' : 'open')}
    </span>
  );
}

/** A value that its own schema would not have let pass. */
function Misfit({ shown }: { shown: Shown }): ReactNode {
  const say = useWords();
  if (shown.faults === undefined) return null;
  return (
    <span className="tag bad outcome" title={visible(shown.faults.join('\n'))}>
      {say('misfit')}
    </span>
  );
}

const LINE_CHARS_MAX = 400;

/** A key or value in one line; it is text to React, whatever it looks like. */
function ShownValue({ shown }: { shown: Shown }): ReactNode {
  if (shown.shape === 'null') return <span className="tag">null</span>;
  if (shown.shape === 'empty') return <span className="faint">""</span>;
  const isBytes = shown.shape === 'hex' || shown.shape === 'number' || shown.shape === 'schema';
  return (
    <code className="line">
      {isBytes && <span className="tag">{shown.shape}</span>} {visible(shown.text.slice(0, LINE_CHARS_MAX))}
      {shown.isCut && '…'}
    </code>
  );
}
