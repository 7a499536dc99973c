import { type ChangeEvent, type ReactNode, useEffect, useState } from 'react';
import type { Message, MessageEdits, Shown, TopicSchema } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import {
  type Draft,
  type DraftHeader,
  draftOf,
  editOf,
  editsOf,
  type FieldKind,
  headersBeyond,
  isEditable,
  type Original,
} from '../lib/draft.ts';
import { bytes, number } from '../lib/format.ts';
import { useApi } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { keepTemplate, type Template, templatesOf } from '../lib/templates.ts';
import { ChangeForm, Field } from '../ui/parts.tsx';

/** A message to begin with, and where it lies: what of it is not edited is taken from there. */
export interface Likeness {
  readonly message: Original;
  readonly at: { readonly topic: string; readonly partition: number; readonly offset: number };
}

/** Sends a message: a new one, or one like another. */
export function Produce(props: { cluster: string; topic: string; like?: Likeness; onClose: () => void }): ReactNode {
  const say = useWords();
  const { cluster, topic, like, onClose } = props;
  const first = like?.message;
  const [draft, setDraft] = useState(() => draftOf(first));
  const [partition, setPartition] = useState('');
  const [keySchema, setKeySchema] = useState<number | undefined>(jsonSchemaOf(first?.key));
  const [valueSchema, setValueSchema] = useState<number | undefined>(jsonSchemaOf(first?.value));
  const edit = (change: Partial<Draft>): void => setDraft((before) => ({ ...before, ...change }));
  const { hasKey, isTombstone, headers } = draft;
  const isKept = {
    key: first !== undefined && draft.key === undefined,
    value: first !== undefined && draft.value === undefined,
  };
  const send = (): Promise<unknown> => {
    const how = { partition: partition === '' ? undefined : Number(partition), keySchema, valueSchema };
    return like === undefined ? sendNew(cluster, topic, draft, how) : sendLike(cluster, topic, draft, like, how);
  };
  return (
    <ChangeForm title={`${say('produce')}: ${topic}`} action={say('send')} onClose={onClose} change={send}>
      <div className="pair">
        <Part
          label={say('key')}
          kind="line"
          shown={first?.key}
          text={draft.key}
          isDisabled={!hasKey}
          onChange={(key) => edit({ key })}
        />
        <Field label={say('partition')}>
          <input
            value={partition}
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder={say('byDefault')}
            onChange={(event) => setPartition(event.target.value)}
          />
        </Field>
      </div>
      <label className="check">
        <input type="checkbox" checked={!hasKey} onChange={(event) => edit({ hasKey: !event.target.checked })} />
        {say('noKey')}
      </label>
      <Part
        label={say('value')}
        kind="lines"
        shown={first?.value}
        text={draft.value}
        isDisabled={isTombstone}
        onChange={(value) => edit({ value })}
      />
      <Schemas
        cluster={cluster}
        topic={topic}
        chosen={{
          key: hasKey && !isKept.key ? keySchema : null,
          value: !isTombstone && !isKept.value ? valueSchema : null,
        }}
        isNew={first === undefined}
        onChoose={{ key: setKeySchema, value: setValueSchema }}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={isTombstone}
          onChange={(event) => edit({ isTombstone: event.target.checked })}
        />
        {say('tombstone')}
      </label>
      <HeaderRows headers={headers} onChange={(some) => edit({ headers: some })} />
      {first !== undefined && headersBeyond(first) > 0 && (
        <p className="note">{say('moreHeaders', { n: number(headersBeyond(first)) })}</p>
      )}
      <Templates
        topic={topic}
        present={templateOf(draft, first)}
        onTake={(template) => setDraft(takenFrom(template))}
      />
    </ChangeForm>
  );
}

/** What is chosen of how it is sent. */
type How = Pick<MessageEdits, 'partition' | 'keySchema' | 'valueSchema'>;

function sendNew(cluster: string, topic: string, draft: Draft, how: How): Promise<unknown> {
  return call('POST /api/clusters/:cluster/topics/:topic/messages', {
    ...{ cluster, topic, ...how },
    key: draft.hasKey ? (draft.key ?? '') : null,
    value: draft.isTombstone ? null : (draft.value ?? ''),
    headers: draft.headers.filter(({ name }) => name !== '').map(({ name, value = '' }) => ({ name, value })),
  });
}

/** What is not edited goes as the bytes it was: the server takes them from the record itself. */
function sendLike(cluster: string, to: string, draft: Draft, { message, at }: Likeness, how: How): Promise<unknown> {
  return call('POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy', {
    ...{ cluster, ...at, to },
    edits: { ...how, ...editsOf(draft, message) },
  });
}

/** What can be kept as a template; undefined where that is not all text. */
function templateOf(draft: Draft, first: Original | undefined): Omit<Template, 'name'> | undefined {
  const { hasKey, headers } = draft;
  const key = draft.key ?? textOf(first?.key, 'line');
  const value = draft.value ?? textOf(first?.value, 'lines');
  const list = headers.map(({ name, value: given, shown }) => ({
    name,
    value: given ?? (shown?.shape === 'null' ? undefined : textOf(shown, 'line')),
  }));
  const isText = list.every((each) => each.value !== undefined) && (first === undefined || headersBeyond(first) === 0);
  if (key === undefined || value === undefined || !isText) return undefined;
  return { key, hasKey, value, headers: list.map((each) => ({ name: each.name, value: each.value ?? '' })) };
}

/** Undefined for what is no text, or more than that; no key and no value have places of their own in a template. */
function textOf(shown: Shown | undefined, kind: FieldKind): string | undefined {
  return shown !== undefined && isEditable(shown, kind) ? shown.text : undefined;
}

function takenFrom({ key, hasKey, value, headers }: Template): Draft {
  const rows = headers.map((header, id) => ({ id, name: header.name, value: header.value }));
  return { key, hasKey, value, isTombstone: false, headers: rows };
}

/** A key or a value: text to be edited, or what goes as it is unless another is written. */
function Part(props: {
  label: string;
  kind: FieldKind;
  shown: Shown | undefined;
  text: string | undefined;
  isDisabled: boolean;
  onChange: (text: string | undefined) => void;
}): ReactNode {
  const say = useWords();
  const { label, kind, shown, text, isDisabled, onChange } = props;
  if (text === undefined && shown !== undefined && !isEditable(shown, kind)) {
    if (isDisabled) return <p className="note">{label}: –</p>;
    return (
      <div className="field kept-part">
        <span>{label}</span>
        <p className="note">{say('goesAsItIs', { what: kindOf(shown) })}</p>
        <button type="button" onClick={() => onChange('')}>
          {say('writeAnother', { what: label })}
        </button>
      </div>
    );
  }
  const field = {
    value: text ?? shown?.text ?? '',
    disabled: isDisabled,
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      onChange(editOf(event.target.value, shown)),
    spellCheck: false,
  };
  return <Field label={label}>{kind === 'line' ? <input {...field} /> : <textarea rows={8} {...field} />}</Field>;
}

function kindOf({ shape, bytes: size }: Shown): string {
  return shape === 'null' ? 'null' : `${shape}, ${bytes(size)}`;
}

/** A message that was JSON by a schema is sent by it again. */
function jsonSchemaOf(shown: Message['value'] | undefined): number | undefined {
  return shown?.shape === 'json-schema' ? shown.schema : undefined;
}

/** By which schemas of the registry the key and the value are sent; those of a new message are the newest of the topic's. */
function Schemas(props: {
  cluster: string;
  topic: string;
  /** Null of what there is none of. */
  chosen: Readonly<Record<TopicSchema['of'], number | undefined | null>>;
  isNew: boolean;
  onChoose: Readonly<Record<TopicSchema['of'], (schema: number | undefined) => void>>;
}): ReactNode {
  const { cluster, topic, chosen, isNew, onChoose } = props;
  const { data } = useApi('GET /api/clusters/:cluster/topics/:topic/schemas', { cluster, topic }, false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is chosen by itself is chosen once, when it is known
  useEffect(() => {
    for (const { of, id, type } of data ?? []) if (isNew && type === 'JSON') onChoose[of](id);
  }, [data]);
  return (['key', 'value'] as const).map((of) => (
    <SchemaChoice
      key={of}
      of={of}
      chosen={chosen[of]}
      newest={data?.find((each) => each.of === of)}
      onChoose={onChoose[of]}
    />
  ));
}

function SchemaChoice(props: {
  of: TopicSchema['of'];
  chosen: number | undefined | null;
  newest: TopicSchema | undefined;
  onChoose: (schema: number | undefined) => void;
}): ReactNode {
  const say = useWords();
  const { of, chosen, newest, onChoose } = props;
  const [own] = useState(chosen);
  const isJson = newest?.type === 'JSON';
  const ids = [...new Set([own, isJson ? newest.id : undefined])].filter((id) => typeof id === 'number');
  if (chosen === null) return null;
  if (ids.length === 0) {
    if (newest === undefined) return null;
    return <p className="note">{say('schemaNotWritten', { subject: newest.subject, type: newest.type })}</p>;
  }
  return (
    <Field label={say(of === 'key' ? 'keySchema' : 'valueSchema')}>
      <select
        value={chosen ?? ''}
        onChange={(event) => onChoose(event.target.value === '' ? undefined : Number(event.target.value))}
      >
        {ids.map((id) => (
          <option key={id} value={id}>
            {id === newest?.id ? `${newest.subject} ${say('schemaVersion', { n: newest.version })} (${id})` : id}
          </option>
        ))}
        <option value="">{say('noSchema')}</option>
      </select>
    </Field>
  );
}

/** Takes a message that was kept, or keeps this one by a name. */
function Templates(props: {
  topic: string;
  /** Undefined where it cannot be kept. */
  present: Omit<Template, 'name'> | undefined;
  onTake: (template: Template) => void;
}): ReactNode {
  const say = useWords();
  const { topic, present, onTake } = props;
  const [name, setName] = useState('');
  const [kept, setKept] = useState(() => templatesOf(localStorage, topic));
  const keep = (): void => {
    if (present === undefined) return;
    keepTemplate(localStorage, topic, { name, ...present });
    setKept(templatesOf(localStorage, topic));
    setName('');
  };
  return (
    <div className="pair templates">
      {kept.length > 0 && (
        <select
          aria-label={say('template')}
          value=""
          onChange={(event) => {
            const template = kept.find((each) => each.name === event.target.value);
            if (template !== undefined) onTake(template);
          }}
        >
          <option value="">{say('template')}…</option>
          {kept.map((each) => (
            <option key={each.name}>{each.name}</option>
          ))}
        </select>
      )}
      {present !== undefined && (
        <input
          aria-label={say('templateName')}
          placeholder={say('templateName')}
          value={name}
          maxLength={100}
          onChange={(event) => setName(event.target.value)}
          onKeyDown={(event) => {
            // It would send the message.
            if (event.key !== 'Enter') return;
            event.preventDefault();
            if (name !== '') keep();
          }}
        />
      )}
      {present !== undefined && (
        <button type="button" disabled={name === ''} onClick={keep}>
          {say('keepTemplate')}
        </button>
      )}
    </div>
  );
}

function HeaderRows(props: {
  headers: readonly DraftHeader[];
  onChange: (headers: readonly DraftHeader[]) => void;
}): ReactNode {
  const say = useWords();
  const { headers, onChange } = props;
  const edit = (id: number, change: Partial<DraftHeader>): void =>
    onChange(headers.map((header) => (header.id === id ? { ...header, ...change } : header)));
  return (
    <>
      {headers.map(({ id, name, value, shown }) => {
        const isKept =
          value === undefined && shown !== undefined && (shown.shape === 'null' || !isEditable(shown, 'line'));
        return (
          <div className="pair" key={id}>
            <input
              aria-label={say('name')}
              placeholder={say('name')}
              value={name}
              onChange={(event) => edit(id, { name: event.target.value })}
            />
            <input
              aria-label={say('value')}
              placeholder={isKept ? say('goesAsItIs', { what: kindOf(shown) }) : say('value')}
              value={value ?? (isKept ? '' : (shown?.text ?? ''))}
              onChange={(event) => edit(id, { value: editOf(event.target.value, shown) })}
            />
          </div>
        );
      })}
      <button
        type="button"
        className="quiet"
        onClick={() => onChange([...headers, { id: (headers.at(-1)?.id ?? -1) + 1, name: '', value: '' }])}
      >
        + {say('addHeader')}
      </button>
    </>
  );
}
