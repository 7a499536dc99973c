import { expect, it } from 'vitest';
import { stateOf } from '../../apps/console/page/src/lib/replica-state.ts';

it('shows a broker that is down as down, though the partition has not got another leader yet', () => {
  const partition = { leader: 2, replicas: [1, 2, 3], inSync: [1, 2] };
  const states = (down: number[]) => [1, 2, 3, 4].map((id) => stateOf(partition, id, new Set(down)));
  expect(states([])).toEqual(['sync', 'leads', 'behind', 'none']);
  expect(states([2])).toEqual(['sync', 'down', 'behind', 'none']);
});
