import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { NewTopicConfig } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { meaningOf } from '../lib/format.ts';
import { fieldOfRefusal, type NewTopicField } from '../lib/new-topic-faults.ts';
import { useApi } from '../lib/queries.ts';
import { useFailure, useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import { ChangeForm, Field } from '../ui/parts.tsx';

interface Row {
  readonly id: number;
  readonly name: string;
  readonly value: string;
}

/** A moment for whoever goes from field to field, or on to make it. */
const CHECK_AFTER_MS = 300;

/** What is made. */
interface Draft {
  readonly topic: string;
  readonly partitions: string;
  readonly replication: string;
  readonly rows: readonly Row[];
}

const EMPTY: Draft = { topic: '', partitions: '', replication: '', rows: [] };

/** Makes a topic; what it may be told is completed and explained while one types, and the cluster is asked whether it would take it. */
export default function NewTopic({ cluster, onClose }: { cluster: string; onClose: () => void }): ReactNode {
  const say = useWords();
  const [draft, setDraft] = useState(EMPTY);
  const { topic, partitions, replication, rows } = draft;
  const checking = useChecking(cluster, draft);
  const change = (part: Partial<Draft>): void => setDraft({ ...draft, ...part });
  const create = (): Promise<unknown> => {
    checking.stop();
    return call('POST /api/clusters/:cluster/topics', inputOf(cluster, draft));
  };
  const digits = { inputMode: 'numeric', pattern: '[0-9]*', placeholder: say('byDefault') } as const;
  return (
    <ChangeForm
      title={say('newTopic')}
      action={say('create')}
      onClose={onClose}
      change={create}
      isDisabled={topic === ''}
    >
      <CheckedField label={say('name')} error={checking.faultOf('topic')}>
        {(described) => (
          <input
            {...described}
            value={topic}
            onChange={(event) => change({ topic: event.target.value })}
            onBlur={checking.begin}
            maxLength={249}
            pattern="[a-zA-Z0-9._\-]+"
            spellCheck={false}
            required
          />
        )}
      </CheckedField>
      <div className="pair">
        <CheckedField label={say('partitions')} error={checking.faultOf('partitions')}>
          {(described) => (
            <input
              {...{ ...digits, ...described }}
              value={partitions}
              onChange={(event) => change({ partitions: event.target.value })}
              onBlur={checking.begin}
            />
          )}
        </CheckedField>
        <CheckedField label={say('replication')} error={checking.faultOf('replication')}>
          {(described) => (
            <input
              {...{ ...digits, ...described }}
              value={replication}
              onChange={(event) => change({ replication: event.target.value })}
              onBlur={checking.begin}
            />
          )}
        </CheckedField>
      </div>
      <Configs cluster={cluster} rows={rows} onChange={(all) => change({ rows: all })} checking={checking} />
      {checking.other !== undefined && <Refused error={checking.other} />}
    </ChangeForm>
  );
}

function inputOf(cluster: string, { topic, partitions, replication, rows }: Draft) {
  return {
    ...{ cluster, topic },
    partitions: partitions === '' ? undefined : Number(partitions),
    replication: replication === '' ? undefined : Number(replication),
    configs: Object.fromEntries(rows.filter(({ name }) => name !== '').map(({ name, value }) => [name, value])),
  };
}

/** Whether the cluster would take it. */
interface Checking {
  /** Asks in a moment, unless somebody leaves the form, or makes the topic. */
  begin(): void;
  stop(): void;
  faultOf(field: NewTopicField): Error | undefined;
  /** What is about no field of the form. */
  readonly other: Error | undefined;
}

function useChecking(cluster: string, draft: Draft): Checking {
  const [refused, setRefused] = useState<{ readonly error: Error; readonly of: Draft }>();
  const pending = useRef<AbortController>(undefined);
  const latest = useRef(draft);
  latest.current = draft;
  const stop = (): void => pending.current?.abort();
  useEffect(() => () => pending.current?.abort(), []);
  const check = async ({ signal }: AbortController): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, CHECK_AFTER_MS));
    const asked = latest.current;
    // Without a name there is nothing that a cluster could say anything of.
    if (signal.aborted || asked.topic === '') return;
    const input = { ...inputOf(cluster, asked), validateOnly: true };
    const error = await call('POST /api/clusters/:cluster/topics', input, signal).then(
      () => undefined,
      (failure: unknown) => (failure instanceof Error ? failure : new Error(String(failure))),
    );
    if (!signal.aborted) setRefused(error === undefined ? undefined : { error, of: asked });
  };
  const field =
    refused === undefined
      ? undefined
      : fieldOfRefusal(
          refused.error,
          refused.of.rows.map(({ name }) => name),
        );
  return {
    stop,
    begin() {
      stop();
      pending.current = new AbortController();
      void check(pending.current);
    },
    // What was said of a value is not said of another one, while nobody has asked for that.
    faultOf: (of) =>
      of === field && refused !== undefined && isSame(of, refused.of, draft) ? refused.error : undefined,
    other: field === undefined && refused?.of === draft ? refused.error : undefined,
  };
}

function isSame(field: NewTopicField, a: Draft, b: Draft): boolean {
  const valueIn = ({ rows, ...own }: Draft): string | undefined =>
    field === 'topic' || field === 'partitions' || field === 'replication'
      ? own[field]
      : rows.find(({ name }) => `config ${name}` === field)?.value;
  return valueIn(a) === valueIn(b);
}

/** What ties a field to what is said of it. */
interface Described {
  readonly 'aria-invalid': boolean | undefined;
  readonly 'aria-describedby': string | undefined;
}

function CheckedField(props: {
  label: string;
  error: Error | undefined;
  children: (described: Described) => ReactNode;
}): ReactNode {
  const id = useId();
  const { label, error, children } = props;
  const isWrong = error !== undefined;
  return (
    <div>
      <Field label={label}>
        {children({ 'aria-invalid': isWrong || undefined, 'aria-describedby': isWrong ? id : undefined })}
      </Field>
      {error !== undefined && <Refused id={id} error={error} />}
    </div>
  );
}

/** Why the cluster would not take it: in its own words, which say of which value. */
function Refused({ id, error }: { id?: string; error: Error }): ReactNode {
  const { text, original } = useFailure(error);
  return (
    <p className="refused" id={id} role="status">
      {visible(text)}
      {original !== undefined && (
        <span lang="en" className="faint">
          {' '}
          {visible(original)}
        </span>
      )}
    </p>
  );
}

function Configs(props: {
  cluster: string;
  rows: readonly Row[];
  onChange: (rows: readonly Row[]) => void;
  checking: Checking;
}): ReactNode {
  const say = useWords();
  const { cluster, rows, onChange, checking } = props;
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
          onLeave={checking.begin}
          error={row.name === '' ? undefined : checking.faultOf(`config ${row.name}`)}
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
  onLeave: () => void;
  onRemove: () => void;
  error: Error | undefined;
}): ReactNode {
  const say = useWords();
  const { row, listId, help, isUnknown, onEdit, onLeave, onRemove, error } = props;
  const helpId = useId();
  const faultId = useId();
  const described = {
    'aria-invalid': error !== undefined || undefined,
    'aria-describedby': error === undefined ? undefined : faultId,
  };
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
          onBlur={onLeave}
        />
        <ConfigValue {...{ help, described, onLeave }} value={row.value} onChange={(value) => onEdit({ value })} />
        <button type="button" className="quiet" aria-label={say('takeAway', { name: row.name })} onClick={onRemove}>
          ✕
        </button>
      </div>
      {error !== undefined && <Refused id={faultId} error={error} />}
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
  described: Described;
  value: string;
  onChange: (value: string) => void;
  onLeave: () => void;
}): ReactNode {
  const say = useWords();
  const { help, described, value, onChange, onLeave } = props;
  if (help?.type !== 'boolean') {
    return (
      <input
        {...described}
        aria-label={say('value')}
        onBlur={onLeave}
        placeholder={help?.byDefault ?? say('value')}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        spellCheck={false}
        autoComplete="off"
      />
    );
  }
  return (
    <select
      {...described}
      aria-label={say('value')}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      onBlur={onLeave}
    >
      <option value="" />
      <option>true</option>
      <option>false</option>
    </select>
  );
}
