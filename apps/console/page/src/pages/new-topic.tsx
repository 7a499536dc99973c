import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { NewTopicConfig } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { meaningOf } from '../lib/format.ts';
import { useApi } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { ChangeForm, Field } from '../ui/parts.tsx';

interface Row {
  readonly id: number;
  readonly name: string;
  readonly value: string;
}

/** Makes a topic; what it may be told is completed and explained while one types. */
export default function NewTopic({ cluster, onClose }: { cluster: string; onClose: () => void }): ReactNode {
  const say = useWords();
  const [topic, setTopic] = useState('');
  const [partitions, setPartitions] = useState('');
  const [replication, setReplication] = useState('');
  const [rows, setRows] = useState<readonly Row[]>([]);
  const create = (): Promise<unknown> =>
    call('POST /api/clusters/:cluster/topics', {
      cluster,
      topic,
      partitions: partitions === '' ? undefined : Number(partitions),
      replication: replication === '' ? undefined : Number(replication),
      configs: Object.fromEntries(rows.filter(({ name }) => name !== '').map(({ name, value }) => [name, value])),
    });
  const digits = { inputMode: 'numeric', pattern: '[0-9]*', placeholder: say('byDefault') } as const;
  return (
    <ChangeForm
      title={say('newTopic')}
      action={say('create')}
      onClose={onClose}
      change={create}
      isDisabled={topic === ''}
    >
      <Field label={say('name')}>
        <input
          value={topic}
          onChange={(event) => setTopic(event.target.value)}
          maxLength={249}
          pattern="[a-zA-Z0-9._\-]+"
          spellCheck={false}
          required
        />
      </Field>
      <div className="pair">
        <Field label={say('partitions')}>
          <input {...digits} value={partitions} onChange={(event) => setPartitions(event.target.value)} />
        </Field>
        <Field label={say('replication')}>
          <input {...digits} value={replication} onChange={(event) => setReplication(event.target.value)} />
        </Field>
      </div>
      <Configs cluster={cluster} rows={rows} onChange={setRows} />
    </ChangeForm>
  );
}

function Configs(props: {
  cluster: string;
  rows: readonly Row[];
  onChange: (rows: readonly Row[]) => void;
}): ReactNode {
  const say = useWords();
  const { cluster, rows, onChange } = props;
  const listId = useId();
  const { data = [] } = useApi('GET /api/clusters/:cluster/new-topic-configs', { cluster }, false);
  const taken = new Set(rows.map(({ name }) => name));
  const edit = (id: number, change: Partial<Row>): void =>
    onChange(rows.map((row) => (row.id === id ? { ...row, ...change } : row)));
  return (
    <fieldset className="configs">
      <legend>{say('configs')}</legend>
      <datalist id={listId}>
        {data.flatMap(({ name }) => (taken.has(name) ? [] : [<option key={name} value={name} />]))}
      </datalist>
      {rows.map((row) => (
        <ConfigFields
          key={row.id}
          row={row}
          listId={listId}
          help={data.find(({ name }) => name === row.name)}
          isUnknown={row.name !== '' && data.length > 0 && !data.some(({ name }) => name.startsWith(row.name))}
          onEdit={(change) => edit(row.id, change)}
          onRemove={() => onChange(rows.filter(({ id }) => id !== row.id))}
        />
      ))}
      <button
        type="button"
        className="quiet"
        onClick={() => onChange([...rows, { id: (rows.at(-1)?.id ?? -1) + 1, name: '', value: '' }])}
      >
        + {say('addConfig')}
      </button>
    </fieldset>
  );
}

function ConfigFields(props: {
  row: Row;
  listId: string;
  help: NewTopicConfig | undefined;
  isUnknown: boolean;
  onEdit: (change: Partial<Row>) => void;
  onRemove: () => void;
}): ReactNode {
  const say = useWords();
  const { row, listId, help, isUnknown, onEdit, onRemove } = props;
  const helpId = useId();
  const first = useRef<HTMLInputElement>(null);
  // Who has asked for it wants to type its name.
  useEffect(() => first.current?.focus(), []);
  // Somebody who has it as one line may give it as one.
  const name = (text: string): void => {
    const at = text.indexOf('=');
    onEdit(at < 0 ? { name: text.trim() } : { name: text.slice(0, at).trim(), value: text.slice(at + 1).trim() });
  };
  const meaning = meaningOf(row.name, row.value);
  const byDefault = help?.byDefault ?? '';
  return (
    <div className="config">
      <div className="pair">
        <input
          ref={first}
          aria-label={say('configName')}
          placeholder="retention.ms"
          list={listId}
          value={row.name}
          aria-describedby={helpId}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => name(event.target.value)}
        />
        <ConfigValue help={help} value={row.value} onChange={(value) => onEdit({ value })} />
        <button type="button" className="quiet" aria-label={say('takeAway', { name: row.name })} onClick={onRemove}>
          ✕
        </button>
      </div>
      <p className="note" id={helpId}>
        {isUnknown && <strong>{say('unknownConfig')} </strong>}
        {meaning !== undefined && <strong>{meaning}. </strong>}
        {help?.documentation}
        {help !== undefined && (
          <span className="default">
            {say('byDefault')}: <code>{byDefault === '' ? '–' : byDefault}</code>
            {meaningOf(help.name, byDefault) !== undefined && ` (${meaningOf(help.name, byDefault)})`}
          </span>
        )}
      </p>
    </div>
  );
}

function ConfigValue(props: {
  help: NewTopicConfig | undefined;
  value: string;
  onChange: (value: string) => void;
}): ReactNode {
  const say = useWords();
  const { help, value, onChange } = props;
  if (help?.type !== 'boolean') {
    return (
      <input
        aria-label={say('value')}
        placeholder={help?.byDefault ?? say('value')}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        spellCheck={false}
        autoComplete="off"
      />
    );
  }
  return (
    <select aria-label={say('value')} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="" />
      <option>true</option>
      <option>false</option>
    </select>
  );
}
