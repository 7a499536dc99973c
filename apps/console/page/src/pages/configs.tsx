import { type ReactNode, useState } from 'react';
import type { ConfigChange, ConfigRow } from '../../../src/api/contract.ts';
import { useInAddress } from '../lib/address.ts';
import { meaningOf } from '../lib/format.ts';
import type { ConfigSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import type { Word } from '../lib/words.ts';
import { Breakable } from '../ui/breakable.tsx';
import { ChangeForm, Dialog, Empty, Field, SearchBox } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

/** Configs with their values, where those come from and what they mean. */
export function Configs(props: {
  configs: readonly ConfigRow[];
  mayChange: boolean;
  change: (change: ConfigChange) => Promise<unknown>;
}): ReactNode {
  const say = useWords();
  const [said, go] = useInAddress<ConfigSearch>();
  const search = String(said.q ?? '');
  const isOwn = said.own === true;
  const opened = props.configs.find(({ name }) => name === said.config);
  const open = ({ name }: ConfigRow): void => go({ config: name }, { isStep: true });
  const close = (): void => go({ config: undefined });
  const shown = props.configs.filter(
    ({ name, source }) => name.includes(search.trim().toLowerCase()) && (!isOwn || !source.startsWith('default')),
  );
  return (
    <>
      <div className="title">
        <SearchBox label={say('searchConfigs')} value={search} onChange={(q) => go({ q: q === '' ? undefined : q })} />
        <label className="check">
          <input
            type="checkbox"
            checked={isOwn}
            onChange={(event) => go({ own: event.target.checked ? true : undefined })}
          />
          {say('onlyOwn')}
        </label>
      </div>
      {shown.length === 0 ? (
        <Empty>{say('noMatch')}</Empty>
      ) : (
        <DataTable
          isInAddress
          label={say('configs')}
          columns={columnsOf(say, open)}
          rows={shown}
          keyOf={({ name }) => name}
        />
      )}
      {opened !== undefined &&
        (props.mayChange && !opened.isReadOnly ? (
          <EditConfig key={opened.name} config={opened} change={props.change} onClose={close} />
        ) : (
          <ConfigDetail key={opened.name} config={opened} onClose={close} />
        ))}
    </>
  );
}

function columnsOf(say: Say, open: (config: ConfigRow) => void): Column<ConfigRow>[] {
  return [
    {
      id: 'name',
      title: say('name'),
      by: ({ name }) => name,
      cell: (config) => (
        <button type="button" className="link" onClick={() => open(config)}>
          <code>
            <Breakable>{config.name}</Breakable>
          </code>
        </button>
      ),
    },
    {
      id: 'value',
      title: say('value'),
      by: ({ value }) => value,
      cell: (config) => (
        <>
          <code className={config.value === '' ? 'faint' : 'wrap'}>
            <Breakable>{shownValue(config)}</Breakable>
          </code>
          <Meaning name={config.name} value={config.value} />
        </>
      ),
    },
    {
      id: 'source',
      title: say('source'),
      by: ({ source }) => source,
      cell: ({ source }) => sourceIn(say, source),
      isSecondary: true,
    },
  ];
}

const SOURCES: Readonly<Record<string, Word>> = {
  default: 'sourceDefault',
  topic: 'sourceTopic',
  'dynamic-broker': 'sourceDynamicBroker',
  'dynamic-default': 'sourceDynamicDefault',
  'static-broker': 'sourceStaticBroker',
};

/** Where a value comes from; a name that has no words here stays one. */
function sourceIn(say: Say, source: string): string {
  const word = SOURCES[source];
  return word === undefined ? source : say(word);
}

function shownValue({ value, isSensitive }: ConfigRow): string {
  if (isSensitive) return '••••••';
  return value === '' ? '""' : (value ?? '–');
}

/** What a number stands for, where its name says the unit. */
function Meaning({ name, value }: { name: string; value: string | null }): ReactNode {
  const meaning = meaningOf(name, value ?? '');
  return (
    meaning !== undefined && (
      <>
        {' '}
        <small className="faint kept">{meaning}</small>
      </>
    )
  );
}

/** What a config means, for those who may not change it, or where nobody can while the broker runs. */
function ConfigDetail({ config, onClose }: { config: ConfigRow; onClose: () => void }): ReactNode {
  const say = useWords();
  const { name, documentation, defaultValue, source } = config;
  return (
    <Dialog title={name} onClose={onClose}>
      {documentation !== null && <p className="note">{visible(documentation)}</p>}
      <dl className="facts">
        <dt>{say('value')}</dt>
        <dd>
          <code className="wrap">{visible(shownValue(config))}</code>
          <Meaning name={name} value={config.value} />
        </dd>
        <dt>{say('source')}</dt>
        <dd>{sourceIn(say, source)}</dd>
        {defaultValue !== null && (
          <>
            <dt>{say('byDefault')}</dt>
            <dd>
              <code className="wrap">{visible(defaultValue)}</code>
              <Meaning name={name} value={defaultValue} />
            </dd>
          </>
        )}
      </dl>
    </Dialog>
  );
}

function EditConfig(props: {
  config: ConfigRow;
  change: (change: ConfigChange) => Promise<unknown>;
  onClose: () => void;
}): ReactNode {
  const say = useWords();
  const { name, value, documentation, defaultValue, source } = props.config;
  const [typed, setTyped] = useState(value ?? '');
  const [isUnset, setUnset] = useState(false);
  const change = (): Promise<unknown> =>
    props.change({
      ...(isUnset ? { set: {}, unset: [name] } : { set: { [name]: typed }, unset: [] }),
      seen: { [name]: value },
    });
  return (
    <ChangeForm title={name} action={say('save')} onClose={props.onClose} change={change}>
      {documentation !== null && <p className="note">{visible(documentation)}</p>}
      <Field label={say('value')}>
        <input value={typed} disabled={isUnset} onChange={(event) => setTyped(event.target.value)} spellCheck={false} />
      </Field>
      {source !== 'default' && (
        <label className="check">
          <input type="checkbox" checked={isUnset} onChange={(event) => setUnset(event.target.checked)} />
          {say('unset')} {defaultValue !== null && <code className="wrap">{visible(defaultValue)}</code>}
          <Meaning name={name} value={defaultValue} />
        </label>
      )}
    </ChangeForm>
  );
}
