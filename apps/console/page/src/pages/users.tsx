import { type ReactNode, useId, useState } from 'react';
import { SCRAM_MECHANISMS, type ScramMechanism, type UserRow } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { number } from '../lib/format.ts';
import { useApi, useCluster, useMay } from '../lib/queries.ts';
import { type Say, useWords } from '../lib/settings.ts';
import { Name } from '../ui/name.tsx';
import { ChangeForm, ConfirmByName, Empty, Field, Loaded } from '../ui/parts.tsx';
import { type Column, DataTable } from '../ui/table.tsx';

interface Credential {
  readonly user: string;
  readonly mechanism: ScramMechanism;
}

/** The users that the cluster keeps passwords of. */
export function Users(): ReactNode {
  const say = useWords();
  const cluster = useCluster();
  const mayChange = useMay('admin');
  const [isMaking, setMaking] = useState(false);
  const [removed, setRemoved] = useState<Credential>();
  const query = useApi('GET /api/clusters/:cluster/users', { cluster }, false);
  return (
    <>
      {mayChange && (
        <div className="title">
          <div className="grow" />
          <button type="button" className="primary" onClick={() => setMaking(true)}>
            {say('newUser')}
          </button>
        </div>
      )}
      <Loaded query={query}>
        {(users) =>
          users.length === 0 ? (
            <Empty>{say('noUsers')}</Empty>
          ) : (
            <DataTable
              isInAddress
              label={say('users')}
              columns={columnsOf(say, mayChange ? setRemoved : undefined)}
              rows={users}
              keyOf={({ user }) => user}
            />
          )
        }
      </Loaded>
      {isMaking && <NewUser cluster={cluster} onClose={() => setMaking(false)} />}
      {removed !== undefined && (
        <ConfirmByName
          title={`${say('removeUser')} (${removed.mechanism})`}
          action={say('remove')}
          name={removed.user}
          onClose={() => setRemoved(undefined)}
          change={(confirm) => call('POST /api/clusters/:cluster/users/delete', { cluster, ...removed, confirm })}
        />
      )}
    </>
  );
}

function columnsOf(say: Say, remove: ((credential: Credential) => void) | undefined): Column<UserRow>[] {
  return [
    {
      id: 'user',
      title: say('user'),
      by: ({ user }) => user,
      cell: ({ user }) => (
        <code className="wrap">
          <Name>{user}</Name>
        </code>
      ),
    },
    {
      id: 'mechanism',
      title: say('mechanism'),
      cell: ({ user, credentials }) => (
        <span className="lags">
          {credentials.map(({ mechanism, iterations }) => (
            <span key={mechanism} className="kept">
              {mechanism} <span className="faint">× {number(iterations)}</span>
              {remove !== undefined && (
                <button
                  type="button"
                  className="quiet"
                  aria-label={`${say('remove')} ${mechanism}`}
                  onClick={() => remove({ user, mechanism })}
                >
                  ✕
                </button>
              )}
            </span>
          ))}
        </span>
      ),
    },
  ];
}

/** Kafka's brokers take no other name in the first message of SCRAM, though they keep it. */
const LOGIN_NAME = /^[\x20-\x7e]+$/;

function NewUser({ cluster, onClose }: { cluster: string; onClose: () => void }): ReactNode {
  const say = useWords();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [mechanism, setMechanism] = useState<ScramMechanism>('SCRAM-SHA-512');
  const noteId = useId();
  const isRefused = user !== '' && !LOGIN_NAME.test(user);
  return (
    <ChangeForm
      title={say('newUser')}
      action={say('setPassword')}
      isDisabled={user === '' || isRefused || password === ''}
      onClose={onClose}
      change={() => call('POST /api/clusters/:cluster/users', { cluster, user, mechanism, password })}
    >
      <Field label={say('user')}>
        <input
          value={user}
          onChange={(event) => setUser(event.target.value)}
          autoComplete="off"
          spellCheck={false}
          aria-invalid={isRefused}
          aria-describedby={isRefused ? noteId : undefined}
        />
      </Field>
      {isRefused && (
        <p id={noteId} className="note warn" role="status">
          {say('asciiUser')}
        </p>
      )}
      <Field label={say('password')}>
        <input
          type="password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          autoComplete="new-password"
        />
      </Field>
      <Field label={say('mechanism')}>
        <select
          value={mechanism}
          onChange={(event) => {
            setMechanism(SCRAM_MECHANISMS.find((each) => each === event.target.value) ?? mechanism);
          }}
        >
          {SCRAM_MECHANISMS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </Field>
    </ChangeForm>
  );
}
