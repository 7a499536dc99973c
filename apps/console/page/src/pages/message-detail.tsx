import { memo, type ReactNode, useMemo, useState } from 'react';
import type { Message, MessageBatch, Shown } from '../../../src/api/contract.ts';
import { pathPart } from '../../../src/api/names.ts';
import { call, textAt } from '../lib/api.ts';
import { deadLetterOf } from '../lib/dead-letters.ts';
import { bytes, localTime, number, utcTime } from '../lib/format.ts';
import { partsOf } from '../lib/pieces.ts';
import { prettyJson } from '../lib/pretty.ts';
import { useApi, useMay, useMaySome } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import { ChangeForm, Dialog, Empty, Loaded, Problem } from '../ui/parts.tsx';
import { TopicField } from '../ui/topic-field.tsx';
import { Produce } from './produce.tsx';

interface Place {
  readonly cluster: string;
  readonly topic: string;
}

/** One message with all that is known of it, and the way to those beside it. */
export default function MessageDetail(
  props: Place & { place: string; onMove: (place: string) => void; onClose: () => void },
): ReactNode {
  const say = useWords();
  const { topic, place, onClose } = props;
  const [, partition, offset] = /^(\d{1,10})-(\d{1,16})$/.exec(String(place)) ?? [];
  if (partition === undefined || offset === undefined) {
    return (
      <Dialog title={`${topic} ${place}`} className="drawer" onClose={onClose}>
        <Empty>{say('noPlace')}</Empty>
      </Dialog>
    );
  }
  return <At {...props} partition={Number(partition)} offset={Number(offset)} />;
}

function At(
  props: Place & { partition: number; offset: number; onMove: (place: string) => void; onClose: () => void },
): ReactNode {
  const say = useWords();
  const { cluster, topic, partition, offset, onMove, onClose } = props;
  const input = { cluster, topic, partition, offset };
  const query = useApi('GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset', input, false);
  return (
    <Dialog title={`${topic} ${partition}:${offset}`} className="drawer" onClose={onClose}>
      <nav className="beside" aria-label={say('offset')}>
        <button type="button" disabled={offset <= 0} onClick={() => onMove(`${partition}-${offset - 1}`)}>
          ← {say('before')}
        </button>
        <button type="button" onClick={() => onMove(`${partition}-${offset + 1}`)}>
          {say('after')} →
        </button>
      </nav>
      <Loaded query={query}>{(message) => <Detail cluster={cluster} topic={topic} message={message} />}</Loaded>
    </Dialog>
  );
}

function Detail({ cluster, topic, message }: Place & { message: Message }): ReactNode {
  const say = useWords();
  const { timestamp } = message;
  return (
    <>
      <DeadLetter cluster={cluster} topic={topic} message={message} />
      <dl className="facts">
        <dt>{say('timestamp')}</dt>
        <dd>
          <span className="kept">{localTime(timestamp)}</span>{' '}
          <small className="faint kept">{utcTime(timestamp)}</small>
        </dd>
        {message.isMasked && <dd className="faint">{say('masked')}</dd>}
      </dl>
      {message.batch?.marker != null ? (
        <Marker marker={message.batch.marker} />
      ) : (
        <Content cluster={cluster} topic={topic} message={message} />
      )}
      {message.batch !== undefined && <Batch batch={message.batch} />}
      {message.batch?.marker == null && <Actions cluster={cluster} topic={topic} message={message} />}
    </>
  );
}

/** What ends a transaction: nobody has sent it. */
function Marker({ marker }: { marker: NonNullable<MessageBatch['marker']> }): ReactNode {
  const say = useWords();
  const { kind, coordinatorEpoch } = marker;
  return (
    <div className={kind === 'commit' ? 'health' : 'health warn'}>
      <strong>{say(kind === 'other' ? 'otherMarker' : kind === 'commit' ? 'commitMarker' : 'abortMarker')}</strong>{' '}
      {coordinatorEpoch !== null && `${say('coordinatorEpoch')} ${coordinatorEpoch}`}
    </div>
  );
}

const OUTCOMES = {
  committed: { look: 'tag well', word: 'txnCommitted' },
  aborted: { look: 'tag bad', word: 'txnAborted' },
  open: { look: 'tag warn', word: 'txnOpen' },
} as const;

/** The batch in which it came: what its producer calls itself, and what became of its transaction. */
function Batch({ batch }: { batch: MessageBatch }): ReactNode {
  const say = useWords();
  const { producer, transaction, firstOffset, lastOffset } = batch;
  const span = firstOffset === lastOffset ? number(firstOffset) : `${number(firstOffset)} – ${number(lastOffset)}`;
  const facts: (readonly [name: string, value: ReactNode])[] = [
    [say('offsets'), span],
    [say('records'), number(batch.records)],
    [say('size'), bytes(batch.bytes)],
    [say('codec'), batch.compression],
    [say('timestamp'), say(batch.isAppendTime ? 'brokersTime' : 'producersTime')],
    [say('leaderEpoch'), batch.leaderEpoch < 0 ? '–' : batch.leaderEpoch],
  ];
  if (producer !== null) {
    facts.push([say('producerId'), producer.id], [say('epoch'), producer.epoch]);
    if (producer.sequence !== null) facts.push([say('sequence'), producer.sequence]);
  }
  return (
    <>
      <h3>
        {say('batch')}
        {transaction !== null && <span className={OUTCOMES[transaction].look}>{say(OUTCOMES[transaction].word)}</span>}
      </h3>
      <dl className="facts columns">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Content({ cluster, topic, message }: Place & { message: Message }): ReactNode {
  const say = useWords();
  const { key, value, headers, headerCount, partition, offset } = message;
  const raw = `/api/clusters/${pathPart(cluster)}/topics/${pathPart(topic)}/messages/${partition}/${offset}/raw`;
  return (
    <>
      <Part title={say('key')} shown={key} href={`${raw}/key`} />
      <Part title={say('value')} shown={value} href={`${raw}/value`} />
      {headerCount > 0 && (
        <>
          <h3>
            {say('headers')} <small className="faint">{say('headerCount', { n: number(headerCount) })}</small>
          </h3>
          <dl className="facts">
            {headers.map(({ name, value: given }, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: names repeat, and the list never changes
              <div key={index}>
                <dt>{visible(name)}</dt>
                <dd>
                  <code className="wrap">{given.shape === 'null' ? 'null' : visible(given.text)}</code>
                  {given.isCut && <small className="faint"> … ({say('cut')})</small>}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </>
  );
}

function Part({ title, shown, href }: { title: string; shown: Shown; href: string }): ReactNode {
  const say = useWords();
  const [error, setError] = useState<Error>();
  const text = useMemo(() => pretty(shown), [shown]);
  const onCopy = (): void => {
    setError(undefined);
    copied(shown, text, href).catch(setError);
  };
  return (
    <>
      <h3>
        {title} <span className="tag">{shown.shape}</span>{' '}
        <small className="faint">
          {bytes(shown.bytes)} {shown.isCut && `(${say('cut')})`} {visible(shown.note ?? '')}
        </small>
        <span className="grow" />
        {shown.bytes > 0 && (
          <>
            {isSecureContext && (
              <button type="button" className="quiet" onClick={onCopy}>
                {say('copy')}
              </button>
            )}
            <a href={href} download>
              {say('download')}
            </a>
          </>
        )}
      </h3>
      {error !== undefined && <Problem error={error} />}
      {shown.faults !== undefined && <Faults schema={shown.schema} faults={shown.faults} />}
      {shown.bytes > 0 && <Text text={text} />}
    </>
  );
}

/** A text of up to 1 MiB: a browser lays out the parts that are seen, and nothing of it anew when something beside it changes. */
const Text = memo(function Text({ text }: { text: string }): ReactNode {
  const [first, ...rest] = partsOf(visible(text));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <pre tabIndex={0}>
      {rest.length === 0
        ? first
        : [first, ...rest].map((part, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never change their places
            <span key={index} className="part">
              {part}
            </span>
          ))}
    </pre>
  );
});

/** To the clipboard, which browsers give to secure pages alone. Of a text that is cut here the server has the rest, which goes by as bytes: a string of 10 MB would hold up the page. */
function copied({ shape, isCut }: Shown, text: string, href: string): Promise<void> {
  if (!isCut || !(shape === 'text' || shape === 'json')) return navigator.clipboard.writeText(text);
  // The promise is given, not awaited: the browser asks whether somebody has pressed a button just now.
  return navigator.clipboard.write([new ClipboardItem({ 'text/plain': textAt(href) })]);
}

/** What of a value its schema does not allow, above the value itself. */
function Faults({ schema, faults }: { schema: number | undefined; faults: readonly string[] }): ReactNode {
  const say = useWords();
  return (
    <div className="health warn faults">
      <strong>{say('misfitOf', { id: String(schema) })}</strong>
      <ul>
        {faults.map((fault) => (
          <li key={fault}>
            <code className="wrap">{visible(fault)}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is text of JSON, whatever its bytes were. */
const JSON_SHAPES: ReadonlySet<Shown['shape']> = new Set(['json', 'msgpack', 'avro', 'protobuf', 'json-schema']);

function pretty({ shape, text, isCut }: Shown): string {
  return !JSON_SHAPES.has(shape) || isCut ? text : (prettyJson(text) ?? text);
}

function DeadLetter({ cluster, topic, message }: Place & { message: Message }): ReactNode {
  const say = useWords();
  const [isSending, setSending] = useState(false);
  const dead = deadLetterOf(message.headers);
  const mayWrite = useMay('editor', { on: 'topic', name: dead?.topic ?? '' }) && !message.isMasked;
  if (dead === undefined) return null;
  return (
    <div className="problem">
      <strong>{say('deadLetter', { place: dead.place })}</strong>
      {dead.error !== undefined && <p>{visible(dead.error)}</p>}
      {mayWrite && (
        <button type="button" onClick={() => setSending(true)}>
          {say('sendBack')}
        </button>
      )}
      {isSending && (
        <Produce
          cluster={cluster}
          topic={dead.topic}
          like={{ message: { ...message, without: dead.prefix }, at: { topic, ...placeOf(message) } }}
          onClose={() => setSending(false)}
        />
      )}
    </div>
  );
}

function placeOf({ partition, offset }: Message): Pick<Message, 'partition' | 'offset'> {
  return { partition, offset };
}

function Actions({ cluster, topic, message }: Place & { message: Message }): ReactNode {
  const say = useWords();
  const mayWrite = useMay('editor', { on: 'topic', name: topic });
  const mayCopy = useMaySome('editor') && !message.isMasked;
  const [doing, setDoing] = useState<'again' | 'edit' | 'copy'>();
  const [to, setTo] = useState('');
  const { partition, offset } = message;
  const close = (): void => setDoing(undefined);
  if (!mayWrite && !mayCopy) return null;
  const copy = (target: string) =>
    call('POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy', {
      ...{ cluster, topic, partition, offset },
      to: target,
    });
  return (
    <footer>
      {mayWrite && (
        <button type="button" onClick={() => setDoing('again')}>
          {say('sendAgain')}
        </button>
      )}
      {mayWrite && !message.isMasked && (
        <button type="button" onClick={() => setDoing('edit')}>
          {say('editSend')}
        </button>
      )}
      {mayCopy && (
        <button type="button" onClick={() => setDoing('copy')}>
          {say('copyTo')}
        </button>
      )}
      {doing === 'again' && (
        <ChangeForm title={say('sendAgain')} action={say('send')} onClose={close} change={() => copy(topic)} />
      )}
      {doing === 'edit' && (
        <Produce
          cluster={cluster}
          topic={topic}
          like={{ message, at: { topic, ...placeOf(message) } }}
          onClose={close}
        />
      )}
      {doing === 'copy' && (
        <ChangeForm
          title={say('copyTo')}
          action={say('copy')}
          isDisabled={to === ''}
          onClose={close}
          change={() => copy(to)}
        >
          <TopicField cluster={cluster} value={to} onChange={setTo} />
        </ChangeForm>
      )}
    </footer>
  );
}
