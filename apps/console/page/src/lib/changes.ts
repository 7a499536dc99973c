import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let changes = 0;

/** Tells whoever shows what is read by a stream, and not asked for, that somebody here has changed the cluster. */
export function noteChange(): void {
  changes += 1;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How many changes there have been: another number is a reason to read anew. */
export function useChanges(): number {
  return useSyncExternalStore(subscribe, () => changes);
}
