import { type ReactNode, useState } from 'react';
import type { Message } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
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
          <input aria-label={say('name')} value={name} onChange={(event) => edit(id, { name: event.target.value })} />
          <input
            aria-label={say('value')}
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
