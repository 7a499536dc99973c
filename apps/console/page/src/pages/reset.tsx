import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useRef, useState } from 'react';
import type { GroupDetail, GroupOffsetRow, Input, ResetRow, ResetTo } from '../../../src/api/contract.ts';
import { call } from '../lib/api.ts';
import { ApiError } from '../lib/api-error.ts';
import { localTime, number } from '../lib/format.ts';
import { useMay } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import type { Word } from '../lib/words.ts';
import { ConfirmByName, Dialog, Field, Problem } from '../ui/parts.tsx';

const TARGETS: Readonly<Record<ResetTo, Word>> = {
  earliest: 'earliest',
  latest: 'latest',
  offset: 'offset',
  time: 'time',
  shift: 'shift',
  each: 'eachPartition',
};

/** As far as an input for a time needs it. */
const TO_MINUTES_CHARS = '2026-01-01 00:00'.length;

const ROUTE = 'POST /api/clusters/:cluster/groups/:group/reset';
/** Where the offsets of a group's topic are to go. */
type Wanted = Omit<Input<typeof ROUTE>, 'dryRun'>;

/** Where the offsets would go, as it was shown last: that and nothing else is what they are moved to. */
function usePlan() {
  const [plan, setPlan] = useState<readonly ResetRow[]>();
  const asked = useRef(0);
  const drop = (): void => {
    asked.current += 1;
    setPlan(undefined);
  };
  const show = async (wanted: Wanted): Promise<void> => {
    asked.current += 1;
    const mine = asked.current;
    const rows = await call(ROUTE, { ...wanted, dryRun: true });
    // An answer to what was chosen before is none to what is chosen now.
    if (asked.current === mine) setPlan(rows);
  };
  const move = async ({ cluster, group, ...wanted }: Wanted): Promise<void> => {
    const offsets = (plan ?? []).map(({ partition, from, to }) => ({ partition, from, offset: to }));
    const topic = plan?.[0]?.topic ?? wanted.topic;
    try {
      await call(ROUTE, { cluster, group, topic, to: 'each', offsets, dryRun: false });
    } catch (error) {
      // Where it would go elsewhere by now it is shown where that is, beside the word that nothing was moved.
      if (error instanceof ApiError && error.status === 409) await show({ cluster, group, ...wanted });
      throw error;
    }
  };
  return { plan, drop, show, move };
}

/** Shows where a group's offsets would go, and moves them when that was seen. */
export function ResetOffsets(props: { cluster: string; detail: GroupDetail; onClose: () => void }): ReactNode {
  const say = useWords();
  const { cluster, detail, onClose } = props;
  const client = useQueryClient();
  const topics = [...new Set(detail.offsets.map(({ topic }) => topic))];
  const [topic, setTopic] = useState(topics[0] ?? '');
  const [to, setTo] = useState<ResetTo>('latest');
  const [at, setAt] = useState('0');
  const [typed, setTyped] = useState<ReadonlyMap<number, string>>(new Map());
  const { plan, drop, show, move } = usePlan();
  const [isForgetting, setForgetting] = useState(false);
  const [error, setError] = useState<Error>();
  const { group } = detail;
  const present = detail.offsets.filter((each) => each.topic === topic);
  const changeEach = (partition: number, offset: string): void => {
    setTyped(new Map([...typed, [partition, offset]]));
    drop();
  };
  const choose = (target: ResetTo): void => {
    setTo(target);
    // A number is no time, and a time no offset; and what was shown is where another target leads.
    setAt(target === 'time' ? localTime(Date.now()).slice(0, TO_MINUTES_CHARS).replace(' ', 'T') : '0');
    drop();
  };
  const mayForget = useMay('admin', { on: 'group', name: group });
  const changeAt = (value: string): void => {
    setAt(value);
    drop();
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setError(undefined);
    await work().catch((failure: Error) => setError(failure));
  };
  const wanted = (): Wanted => {
    const number = to === 'time' ? new Date(at).getTime() : Number(at);
    return {
      ...{ cluster, group, topic, to, offsets: to === 'each' ? eachOffset(present, typed) : undefined },
      ...(Number.isFinite(number) ? { at: number } : {}),
    };
  };
  const done = async (): Promise<void> => {
    await client.invalidateQueries();
    onClose();
  };
  if (isForgetting) {
    const forget = (): Promise<unknown> =>
      call('POST /api/clusters/:cluster/groups/:group/forget', { cluster, group, topic });
    return (
      <ConfirmByName title={say('forget')} action={say('forget')} name={topic} onClose={onClose} change={forget} />
    );
  }
  return (
    <Dialog title={say('reset')} onClose={onClose}>
      {detail.members.length > 0 && <p className="health warn">{say('resetHint')}</p>}
      <div className="pair">
        <Field label={say('topic')}>
          <select
            value={topic}
            onChange={(event) => {
              setTopic(event.target.value);
              setTyped(new Map());
              drop();
            }}
          >
            {topics.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
        <Target to={to} at={at} onTo={choose} onAt={changeAt} />
      </div>
      {to === 'each' && <Each rows={present} typed={typed} onType={changeEach} />}
      {plan !== undefined && <Plan rows={plan} />}
      {error !== undefined && <Problem error={error} />}
      <footer>
        {mayForget && (
          <button type="button" className="danger" onClick={() => setForgetting(true)}>
            {say('forget')}
          </button>
        )}
        <button type="button" onClick={() => void attempt(() => show(wanted()))}>
          {say('preview')}
        </button>
        <button
          type="button"
          className="primary"
          disabled={plan === undefined}
          onClick={() =>
            void attempt(async () => {
              await move(wanted());
              await done();
            })
          }
        >
          {say('apply')}
        </button>
      </footer>
    </Dialog>
  );
}

function Target(props: {
  to: ResetTo;
  at: string;
  onTo: (to: ResetTo) => void;
  onAt: (at: string) => void;
}): ReactNode {
  const say = useWords();
  const { to, at, onTo, onAt } = props;
  // The options are the targets themselves.
  const choose = (value: string): void => onTo(value as ResetTo);
  return (
    <>
      <Field label={say('to')}>
        <select value={to} onChange={(event) => choose(event.target.value)}>
          {Object.entries(TARGETS).map(([value, word]) => (
            <option key={value} value={value}>
              {say(word)}
            </option>
          ))}
        </select>
      </Field>
      {(to === 'offset' || to === 'shift') && (
        <Field label={say(TARGETS[to])}>
          <input type="number" value={at} onChange={(event) => onAt(event.target.value)} />
        </Field>
      )}
      {to === 'time' && (
        <Field label={say('time')}>
          <input type="datetime-local" step="0.001" value={at} onChange={(event) => onAt(event.target.value)} />
        </Field>
      )}
    </>
  );
}

/** Where a partition is now: what is committed, else where its records begin. */
function presentOffset({ committed, start }: GroupOffsetRow): string {
  return String(committed ?? start ?? 0);
}

/** The partitions whose offset was made another; the others stay where they are. */
function eachOffset(present: readonly GroupOffsetRow[], typed: ReadonlyMap<number, string>) {
  return present.flatMap((row) => {
    const text = typed.get(row.partition);
    const isChanged = text !== undefined && text !== '' && text !== String(row.committed);
    return isChanged ? [{ partition: row.partition, offset: Number(text) }] : [];
  });
}

/** The partitions with the offsets that they have, each to be changed. */
function Each(props: {
  rows: readonly GroupOffsetRow[];
  typed: ReadonlyMap<number, string>;
  onType: (partition: number, offset: string) => void;
}): ReactNode {
  const say = useWords();
  const { rows, typed, onType } = props;
  return (
    <table className="plan each">
      <thead>
        <tr>
          <th scope="col">{say('partition')}</th>
          <th scope="col">{say('first')}</th>
          <th scope="col">{say('next')}</th>
          <th scope="col">{say('to')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.partition}>
            <td>{row.partition}</td>
            <td>{row.start === undefined ? '?' : number(row.start)}</td>
            <td>{row.end === undefined ? '?' : number(row.end)}</td>
            <td>
              <input
                type="number"
                min={row.start}
                max={row.end}
                aria-label={`${say('offset')} ${row.partition}`}
                value={typed.get(row.partition) ?? presentOffset(row)}
                onChange={(event) => onType(row.partition, event.target.value)}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Plan({ rows }: { rows: readonly ResetRow[] }): ReactNode {
  const say = useWords();
  return (
    <table className="plan">
      <thead>
        <tr>
          <th scope="col">{say('partition')}</th>
          <th scope="col">{say('from')}</th>
          <th scope="col">{say('to')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ partition, from, to }) => (
          <tr key={partition}>
            <td>{partition}</td>
            <td>{from === null ? '–' : number(from)}</td>
            <td>{number(to)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
