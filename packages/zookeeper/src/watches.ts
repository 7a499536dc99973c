import type { WatchEvent, Watcher } from '@millrace/metadata';
import type { WatchPaths, WireEvent } from './protocol.ts';
import { EventType } from './protocol.ts';

/** What a watch was set by, and so what it waits for. */
export type WatchKind = keyof WatchPaths;

/** The watches of a session, so that they can be set again on another server. */
export class ClientWatches {
  readonly #watchers: Readonly<Record<WatchKind, Map<string, Set<Watcher>>>> = {
    data: new Map(),
    exist: new Map(),
    children: new Map(),
  };

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    const ofKind = this.#watchers[kind];
    const watchers = ofKind.get(path);
    if (watchers === undefined) ofKind.set(path, new Set([watcher]));
    else watchers.add(watcher);
  }

  /** Takes the watchers that an event is for; each is told once, however often it was set. */
  take({ type, path }: WireEvent): { event: WatchEvent; watchers: Set<Watcher> } | undefined {
    switch (type) {
      case EventType.CREATED:
        return { event: { type: 'created', path }, watchers: this.#takeFrom(path, ['data', 'exist']) };
      case EventType.CHANGED:
        return { event: { type: 'changed', path }, watchers: this.#takeFrom(path, ['data', 'exist']) };
      case EventType.DELETED:
        return { event: { type: 'deleted', path }, watchers: this.#takeFrom(path, ['data', 'exist', 'children']) };
      case EventType.CHILDREN:
        return { event: { type: 'children', path }, watchers: this.#takeFrom(path, ['children']) };
      default:
        return undefined;
    }
  }

  /** All of them, in portions whose paths take at most so many bytes. */
  *portions(bytesMax: number): Generator<WatchPaths> {
    let portion: Record<WatchKind, string[]> = { data: [], exist: [], children: [] };
    let bytes = 0;
    for (const kind of ['data', 'exist', 'children'] as const) {
      for (const path of this.#watchers[kind].keys()) {
        if (bytes > 0 && bytes + path.length > bytesMax) {
          yield portion;
          portion = { data: [], exist: [], children: [] };
          bytes = 0;
        }
        portion[kind].push(path);
        bytes += path.length + 4;
      }
    }
    if (bytes > 0) yield portion;
  }

  clear(): void {
    for (const ofKind of Object.values(this.#watchers)) ofKind.clear();
  }

  #takeFrom(path: string, kinds: readonly WatchKind[]): Set<Watcher> {
    const taken = new Set<Watcher>();
    for (const kind of kinds) {
      for (const watcher of this.#watchers[kind].get(path) ?? []) taken.add(watcher);
      this.#watchers[kind].delete(path);
    }
    return taken;
  }
}
