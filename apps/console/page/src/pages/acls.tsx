import { type ReactNode, useState } from 'react';
import { ACL_OPERATIONS, ACL_RESOURCES, type AclRow, type ForeignAcl } from '../../../src/api/contract.ts';
import { useInAddress } from '../lib/address.ts';
import { call } from '../lib/api.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import type { AccessSearch } from '../lib/searches.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { visible } from '../lib/visible.ts';
import { Breakable } from '../ui/breakable.tsx';
import { Name } from '../ui/name.tsx';
import { ChangeForm, Empty, Field, Loaded, SearchBox } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

/** A rule in the list; one that is foreign can only be looked at. */
type Listed = AclRow | ForeignAcl;

/** The rules of access. */
export function Acls(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const mayChange = useMay('admin');
  const [{ q = '' }, go] = useInAddress<AccessSearch>();
  const search = String(q);
  const [isMaking, setMaking] = useState(false);
  const [removed, setRemoved] = useState<AclRow>();
  const query = useApi('GET /api/clusters/:cluster/acls', { cluster }, false);
  if (query.data?.hasAuthorizer === false) return <Empty>{say('noAuthorizer')}</Empty>;
  const wanted = search.trim().toLowerCase();
  return (
    <>
      <div className="title">
        <SearchBox
          label={say('searchAcls')}
          value={search}
          onChange={(text) => go({ q: text === '' ? undefined : text })}
        />
        <div className="grow" />
        {mayChange && (
          <button type="button" className="primary" onClick={() => setMaking(true)}>
            {say('newAcl')}
          </button>
        )}
      </div>
      <Loaded query={query}>
        {({ acls }) => {
          const shown = acls.filter((acl) => keyOf(acl).toLowerCase().includes(wanted));
          if (shown.length === 0) return <Empty>{say(acls.length === 0 ? 'noAcls' : 'noMatch')}</Empty>;
          const columns = columnsOf(say, mayChange ? setRemoved : undefined);
          return <DataTable isInAddress label={say('acls')} columns={columns} rows={shown} keyOf={keyOf} />;
        }}
      </Loaded>
      {isMaking && <NewAcl cluster={cluster} onClose={() => setMaking(false)} />}
      {removed !== undefined && (
        <ChangeForm
          title={say('removeAcl')}
          action={say('remove')}
          isDangerous
          onClose={() => setRemoved(undefined)}
          change={() => call('POST /api/clusters/:cluster/acls/delete', { cluster, acl: removed })}
        >
          <p className="wrap">{visible(keyOf(removed))}</p>
        </ChangeForm>
      )}
    </>
  );
}

function keyOf({ principal, permission, operation, resource, pattern, name, host }: Listed): string {
  const names = pattern === 'prefixed' ? `${name}*` : `${name}${markOf(pattern)}`;
  return `${principal} ${permission} ${operation} ${resource} ${names} ${host}`;
}

/** What stands behind a name that is not meant as it is. */
function markOf(pattern: string): string {
  if (pattern === 'literal') return '';
  return pattern === 'prefixed' ? '…' : ` ${pattern}`;
}

function columnsOf(say: Say, remove: ((acl: AclRow) => void) | undefined): Column<Listed>[] {
  return [
    {
      id: 'principal',
      title: say('principal'),
      by: ({ principal }) => principal,
      cell: ({ principal }) => (
        <code className="wrap squeezed">
          <Name>{principal}</Name>
        </code>
      ),
    },
    {
      id: 'permission',
      title: say('permission'),
      isSecondary: true,
      by: ({ permission }) => permission,
      cell: ({ permission }) => <Permission permission={permission} />,
    },
    {
      id: 'operation',
      title: say('operation'),
      by: ({ operation }) => operation,
      cell: ({ permission, operation }) => (
        <>
          {operation}
          {/* Where there is no room for a column of its own. */}
          <div className="in-hand">
            <Permission permission={permission} />
          </div>
        </>
      ),
    },
    {
      id: 'resource',
      title: say('resource'),
      by: ({ resource, name }) => `${resource} ${name}`,
      cell: ({ resource, name, pattern }) => (
        <>
          {resource}{' '}
          <code className="wrap squeezed">
            <Name>{name}</Name>
            {markOf(pattern)}
          </code>
        </>
      ),
    },
    {
      id: 'host',
      title: say('host'),
      isSecondary: true,
      by: ({ host }) => host,
      cell: ({ host }) => <Breakable>{host}</Breakable>,
    },
    {
      id: 'remove',
      title: say('actions'),
      isTitleHidden: true,
      cell: (acl) =>
        remove !== undefined &&
        !('isForeign' in acl) && (
          <button type="button" className="quiet" aria-label={say('remove')} onClick={() => remove(acl)}>
            ✕
          </button>
        ),
    },
  ];
}

function Permission({ permission }: Pick<Listed, 'permission'>): ReactNode {
  const say = useWords();
  if (permission !== 'allow' && permission !== 'deny') return <span className="tag">{permission}</span>;
  return <span className={`tag ${permission === 'allow' ? 'well' : 'bad'}`}>{say(permission)}</span>;
}

const FIRST: AclRow = {
  resource: 'topic',
  name: '',
  pattern: 'literal',
  principal: 'User:',
  host: '*',
  operation: 'read',
  permission: 'allow',
};

function NewAcl({ cluster, onClose }: { cluster: string; onClose: () => void }): ReactNode {
  const say = useWords();
  const [acl, setAcl] = useState(FIRST);
  const change = (part: Partial<AclRow>): void => setAcl({ ...acl, ...part });
  const name = acl.resource === 'cluster' ? 'kafka-cluster' : acl.name;
  return (
    <ChangeForm
      title={say('newAcl')}
      action={say('create')}
      isDisabled={name === '' || !/^\w+:./.test(acl.principal)}
      onClose={onClose}
      change={() => call('POST /api/clusters/:cluster/acls', { cluster, acl: { ...acl, name } })}
    >
      <Field label={say('principal')}>
        <input
          value={acl.principal}
          onChange={(event) => change({ principal: event.target.value })}
          spellCheck={false}
        />
      </Field>
      <Field label={say('permission')}>
        <select
          value={acl.permission}
          onChange={(event) => change({ permission: event.target.value === 'deny' ? 'deny' : 'allow' })}
        >
          <option value="allow">{say('allow')}</option>
          <option value="deny">{say('deny')}</option>
        </select>
      </Field>
      <Field label={say('operation')}>
        <Choice of={ACL_OPERATIONS} value={acl.operation} onChange={(operation) => change({ operation })} />
      </Field>
      <Field label={say('resource')}>
        <Choice of={ACL_RESOURCES} value={acl.resource} onChange={(resource) => change({ resource })} />
      </Field>
      <Field label={say('name')}>
        <input
          value={name}
          disabled={acl.resource === 'cluster'}
          onChange={(event) => change({ name: event.target.value })}
          spellCheck={false}
        />
      </Field>
      <label className="check">
        <input
          type="checkbox"
          checked={acl.pattern === 'prefixed'}
          onChange={(event) => change({ pattern: event.target.checked ? 'prefixed' : 'literal' })}
        />
        {say('prefixed')}
      </label>
      <Field label={say('host')}>
        <input value={acl.host} onChange={(event) => change({ host: event.target.value })} spellCheck={false} />
      </Field>
    </ChangeForm>
  );
}

function Choice<T extends string>(props: { of: readonly T[]; value: T; onChange: (value: T) => void }): ReactNode {
  return (
    <select
      value={props.value}
      onChange={(event) => {
        const chosen = props.of.find((each) => each === event.target.value);
        if (chosen !== undefined) props.onChange(chosen);
      }}
    >
      {props.of.map((each) => (
        <option key={each}>{each}</option>
      ))}
    </select>
  );
}
