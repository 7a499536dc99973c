import { type ReactNode, useEffect, useState } from 'react';
import type { Message, TopicSchema } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { useApi } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { keepTemplate, type Template, templatesOf } from '../lib/templates.ts';
import { ChangeForm, Field } from '../ui/parts.tsx';

interface HeaderRow {
  readonly id: number;
  readonly name: string;
  readonly value: string;
}

/** Sends a message: a new one, or one like another. */
export function Produce(props: {
  cluster: string;
  topic: string;
  first?: Pick<Message, 'key' | 'value' | 'headers'>;
  onClose: () => void;
}): ReactNode {
  const say = useWords();
  const { cluster, topic, first, onClose } = props;
  const [key, setKey] = useState(first?.key.text ?? '');
  const [hasKey, setHasKey] = useState(first === undefined || first.key.shape !== 'null');
  const [value, setValue] = useState(first?.value.text ?? '');
  const [isTombstone, setTombstone] = useState(first?.value.shape === 'null');
  const [partition, setPartition] = useState('');
  const [keySchema, setKeySchema] = useState<number | undefined>(jsonSchemaOf(first?.key));
  const [valueSchema, setValueSchema] = useState<number | undefined>(jsonSchemaOf(first?.value));
  const [headers, setHeaders] = useState<readonly HeaderRow[]>(
    (first?.headers ?? []).map((header, id) => ({ id, name: header.name, value: header.value.text })),
  );
  const send = () =>
    call('POST /api/clusters/:cluster/topics/:topic/messages', {
      cluster,
      topic,
      key: hasKey ? key : null,
      value: isTombstone ? null : value,
      headers: headers.filter(({ name }) => name !== '').map(({ name, value: given }) => ({ name, value: given })),
      partition: partition === '' ? undefined : Number(partition),
      keySchema,
      valueSchema,
    });
  return (
    <ChangeForm title={`${say('produce')}: ${topic}`} action={say('send')} onClose={onClose} change={send}>
      <div className="pair">
        <Field label={say('key')}>
          <input value={key} disabled={!hasKey} onChange={(event) => setKey(event.target.value)} spellCheck={false} />
        </Field>
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
        <input type="checkbox" checked={!hasKey} onChange={(event) => setHasKey(!event.target.checked)} />
        {say('noKey')}
      </label>
      <Field label={say('value')}>
        <textarea
          rows={8}
          value={value}
          disabled={isTombstone}
          onChange={(event) => setValue(event.target.value)}
          spellCheck={false}
        />
      </Field>
      <Schemas
        cluster={cluster}
        topic={topic}
        chosen={{ key: hasKey ? keySchema : null, value: isTombstone ? null : valueSchema }}
        isNew={first === undefined}
        onChoose={{ key: setKeySchema, value: setValueSchema }}
      />
      <label className="check">
        <input type="checkbox" checked={isTombstone} onChange={(event) => setTombstone(event.target.checked)} />
        {say('tombstone')}
      </label>
      <HeaderRows headers={headers} onChange={setHeaders} />
      <Templates
        topic={topic}
        present={{ key, hasKey, value, headers }}
        onTake={(template) => {
          setKey(template.key);
          setHasKey(template.hasKey);
          setValue(template.value);
          setTombstone(false);
          setHeaders(template.headers.map((header, id) => ({ id, name: header.name, value: header.value })));
        }}
      />
    </ChangeForm>
  );
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
  present: Omit<Template, 'name'>;
  onTake: (template: Template) => void;
}): ReactNode {
  const say = useWords();
  const { topic, present, onTake } = props;
  const [name, setName] = useState('');
  const [kept, setKept] = useState(() => templatesOf(localStorage, topic));
  const keep = (): void => {
    const { key, hasKey, value } = present;
    const headers = present.headers.map((header) => ({ name: header.name, value: header.value }));
    keepTemplate(localStorage, topic, { name, key, hasKey, value, headers });
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
      <button type="button" disabled={name === ''} onClick={keep}>
        {say('keepTemplate')}
      </button>
    </div>
  );
}

function HeaderRows(props: {
  headers: readonly HeaderRow[];
  onChange: (headers: readonly HeaderRow[]) => void;
}): ReactNode {
  const say = useWords();
  const { headers, onChange } = props;
  const edit = (id: number, change: Partial<HeaderRow>): void =>
    onChange(headers.map((header) => (header.id === id ? { ...header, ...change } : header)));
  return (
    <>
      {headers.map(({ id, name, value }) => (
        <div className="pair" key={id}>
          <input
            aria-label={say('name')}
            placeholder={say('name')}
            value={name}
            onChange={(event) => edit(id, { name: event.target.value })}
          />
          <input
            aria-label={say('value')}
            placeholder={say('value')}
            value={value}
            onChange={(event) => edit(id, { value: event.target.value })}
          />
        </div>
      ))}
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
