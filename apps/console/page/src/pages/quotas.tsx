import { type ReactNode, useState } from 'react';
import type { QuotaEntityPart, QuotaRow } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { number } from '../lib/format.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { shownName } from '../lib/visible.ts';
import { ChangeForm, Empty, Field, Loaded } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

const NAMES = ['producer_byte_rate', 'consumer_byte_rate', 'request_percentage', 'controller_mutation_rate'] as const;
const IP_NAME = 'connection_creation_rate';

type PartType = QuotaEntityPart['type'];

/** What a quota may be for: a user and a client together are held to less than either. */
const KINDS = {
  user: ['user'],
  'client-id': ['client-id'],
  'user + client-id': ['user', 'client-id'],
  ip: ['ip'],
} as const satisfies Readonly<Record<string, readonly PartType[]>>;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** Who is held to how much. */
export function Quotas(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const mayChange = useMay('admin');
  const [edited, setEdited] = useState<QuotaRow>();
  const query = useApi('GET /api/clusters/:cluster/quotas', { cluster }, false);
  return (
    <>
      {mayChange && (
        <div className="title">
          <div className="grow" />
          <button type="button" className="primary" onClick={() => setEdited({ entity: [], values: {} })}>
            {say('newQuota')}
          </button>
        </div>
      )}
      <Loaded query={query}>
        {(quotas) =>
          quotas.length === 0 ? (
            <Empty>{say('noQuotas')}</Empty>
          ) : (
            <DataTable
              isInAddress
              label={say('quotas')}
              columns={columnsOf(say, mayChange ? setEdited : undefined)}
              rows={quotas}
              keyOf={({ entity }) => JSON.stringify(entity)}
            />
          )
        }
      </Loaded>
      {edited !== undefined && <EditQuota cluster={cluster} row={edited} onClose={() => setEdited(undefined)} />}
    </>
  );
}

function entityText({ entity }: QuotaRow, say: Say): string {
  return entity
    .map(({ type, name }) => (name === null ? say('everyOther', { type }) : `${type} ${shownName(name)}`))
    .join(' · ');
}

function columnsOf(say: Say, edit: ((row: QuotaRow) => void) | undefined): Column<QuotaRow>[] {
  return [
    {
      id: 'entity',
      title: say('quotaFor'),
      by: (row) => entityText(row, say),
      cell: (row) =>
        edit === undefined ? (
          entityText(row, say)
        ) : (
          <button type="button" className="link wrap" onClick={() => edit(row)}>
            {entityText(row, say)}
          </button>
        ),
    },
    {
      id: 'values',
      title: say('quotaName'),
      cell: ({ values }) => (
        <span className="lags">
          {Object.entries(values).map(([name, value]) => (
            <span key={name}>
              <code>{name}</code> {number(value)}
            </span>
          ))}
        </span>
      ),
    },
  ];
}

function EditQuota(props: { cluster: string; row: QuotaRow; onClose: () => void }): ReactNode {
  const say = useWords();
  const { cluster, row } = props;
  const isNew = row.entity.length === 0;
  const [kind, setKind] = useState<Kind>('user');
  const [called, setCalled] = useState<Readonly<Partial<Record<PartType, string>>>>({});
  const types = KINDS[kind];
  const made = types.map((type) => ({ type, name: called[type] || null }));
  const entity = isNew ? made : row.entity;
  const names = entity[0]?.type === 'ip' ? [IP_NAME] : NAMES;
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(
    Object.fromEntries(Object.entries(row.values).map(([each, value]) => [each, String(value)])),
  );
  const change = (): Promise<unknown> => {
    const filled = names.filter((each) => (typed[each] ?? '').trim() !== '');
    return call('POST /api/clusters/:cluster/quotas', {
      cluster,
      entity,
      values: Object.fromEntries(filled.map((each) => [each, Number(typed[each])])),
      unset: names.filter((each) => row.values[each] !== undefined && !filled.includes(each)),
    });
  };
  return (
    <ChangeForm
      title={isNew ? say('newQuota') : entityText(row, say)}
      action={say('save')}
      onClose={props.onClose}
      change={change}
    >
      {isNew && (
        <>
          <Field label={say('quotaFor')}>
            <select
              value={kind}
              onChange={(event) => setKind(KIND_NAMES.find((each) => each === event.target.value) ?? 'user')}
            >
              {KIND_NAMES.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </Field>
          {types.map((type) => (
            <Field key={type} label={types.length === 1 ? say('name') : `${say('name')}: ${type}`}>
              <input
                value={called[type] ?? ''}
                placeholder={say('everyOther', { type })}
                onChange={(event) => setCalled({ ...called, [type]: event.target.value })}
                spellCheck={false}
              />
            </Field>
          ))}
        </>
      )}
      {names.map((each) => (
        <Field key={each} label={each}>
          <input
            inputMode="decimal"
            value={typed[each] ?? ''}
            onChange={(event) => setTyped({ ...typed, [each]: event.target.value })}
          />
        </Field>
      ))}
      {!isNew && <p className="note">{say('quotaHint')}</p>}
    </ChangeForm>
  );
}
