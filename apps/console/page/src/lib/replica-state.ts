import type { MapPartition } from '../../../src/api/contract.ts';

/** What a broker is to a partition. One that is down leads nothing, though nobody has taken over from it yet. */
export function stateOf(
  { leader, replicas, inSync }: Pick<MapPartition, 'leader' | 'replicas' | 'inSync'>,
  id: number,
  down: ReadonlySet<number>,
): 'none' | 'down' | 'leads' | 'sync' | 'behind' {
  if (!replicas.includes(id)) return 'none';
  if (down.has(id)) return 'down';
  if (leader === id) return 'leads';
  return inSync.includes(id) ? 'sync' : 'behind';
}
