import { type ReactNode, useId } from 'react';
import { useApi } from '../lib/queries.ts';
import { useWords } from '../lib/settings.ts';
import { Field } from './parts.tsx';

/** A browser that is given ten thousand names to choose from is slow at every key. */
const OFFERED_MAX = 50;

/** The name of a topic that there is, completed while one types. */
export function TopicField(props: { cluster: string; value: string; onChange: (topic: string) => void }): ReactNode {
  const say = useWords();
  const { cluster, value, onChange } = props;
  const listId = useId();
  const { data = [] } = useApi('GET /api/clusters/:cluster/topics', { cluster }, false);
  const wanted = value.toLowerCase();
  const offered = data.filter(({ topic, isInternal }) => !isInternal && topic.toLowerCase().includes(wanted));
  return (
    <Field label={say('topic')}>
      <input
        list={listId}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        autoComplete="off"
        spellCheck={false}
      />
      <datalist id={listId}>
        {offered.slice(0, OFFERED_MAX).map(({ topic }) => (
          <option key={topic} value={topic} />
        ))}
      </datalist>
    </Field>
  );
}
