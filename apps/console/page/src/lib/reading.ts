import { useEffect, useRef, useState } from 'react';
import type {
  Message,
  MessageEvents,
  MessageMark,
  ReadPlan,
  ReadProgress,
  UnreadPartition,
} from '../../../src/api/contract.ts';
import { addressOf, queryOf, whyNot } from './api.ts';
import { ApiError, unreachable } from './api-error.ts';
import { useChanges } from './changes.ts';
import { type Tailed, Told, withGap, withMore } from './tail.ts';

/** What is being read, and how far it is. */
export interface Reading {
  readonly messages: readonly Message[];
  readonly progress: ReadProgress | undefined;
  /** How many messages the search has looked at in part. */
  readonly inPart: number;
  readonly cursor: string | null;
  /** What is missing of it. */
  readonly unread: readonly UnreadPartition[];
  /** Of a live tail: how many are not on the page any more, and what it was not told. */
  readonly left: number;
  readonly gap: Tailed['gap'];
  readonly isReading: boolean;
  readonly error: Error | undefined;
  stop(): void;
}

export interface ReadingPlace extends ReadPlan {
  readonly cluster: string;
  readonly topic: string;
  readonly live: boolean;
}

const NOTHING = {
  ...{ messages: [], progress: undefined, inPart: 0, cursor: null, unread: [], left: 0, gap: undefined },
  ...{ isReading: true, error: undefined },
};

/** With what became of the transactions of some of them. */
function marked(messages: readonly Message[], marks: readonly MessageMark[]): readonly Message[] {
  const byPlace = new Map(marks.map((mark) => [`${mark.partition}-${mark.offset}`, mark]));
  return messages.map((each) => ({ ...each, ...byPlace.get(`${each.partition}-${each.offset}`) }));
}

/** Reads a page, or tails, by the server's stream; what is read anew replaces what was there. */
export function useReading(place: ReadingPlace): Reading {
  const [state, setState] = useState<Omit<Reading, 'stop'>>(NOTHING);
  const source = useRef<EventSource>(null);
  const { url, rest } = addressOf('/api/clusters/:cluster/topics/:topic/stream', place);
  const address = url + queryOf(rest);
  const { live } = place;
  const changes = useChanges();
  // A live tail is told of what is new; what it shows would be gone.
  const revision = live ? 0 : changes;
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was changed here is read anew from the same address
  useEffect(() => {
    setState((before) => ({ ...NOTHING, messages: live ? [] : before.messages }));
    let isFirst = true;
    const told = new Told();
    let isOver = false;
    const events = new EventSource(address);
    source.current = events;
    // Each event carries what the contract says.
    const on = <E extends keyof MessageEvents>(name: E, heard: (data: MessageEvents[E]) => void): void =>
      events.addEventListener(name, ({ data }: MessageEvent<string>) => heard(JSON.parse(data) as MessageEvents[E]));
    const finish = (change: Partial<Reading>): void => {
      events.close();
      // What was there before goes when it is known that nothing comes in its place.
      setState((before) => ({ ...before, ...(isFirst ? { messages: [] } : {}), ...change, isReading: false }));
    };
    on('messages', (some) => {
      const keepsOld = !isFirst;
      isFirst = false;
      // Once, whatever React does with what it is given.
      const fresh = live ? told.new(some) : some;
      setState((before) => {
        const old = keepsOld ? before.messages : [];
        if (!live) return { ...before, messages: [...old, ...some] };
        // What is heard of is not missing any more.
        const heard = new Set(some.map(({ partition }) => partition));
        const unread = before.unread.filter(({ partition }) => !heard.has(partition));
        return withMore({ ...before, unread, messages: old }, fresh);
      });
    });
    // A browser that has been cut off says by itself up to where it was told, and the server goes on there.
    events.addEventListener('open', () => told.again());
    on('gap', (gap) => {
      if (gap.records === null) told.anew();
      setState((before) => withGap(before, gap));
    });
    on('marks', (marks) => setState((before) => ({ ...before, messages: marked(before.messages, marks) })));
    on('progress', (progress) => setState((before) => ({ ...before, progress, inPart: progress.inPart })));
    on('inPart', ({ records }) => setState((before) => ({ ...before, inPart: before.inPart + records })));
    on('unread', (unread) => setState((before) => ({ ...before, unread })));
    on('end', ({ cursor, unread, ...progress }) => finish({ cursor, unread, progress, inPart: progress.inPart }));
    on('failed', (failure) => finish({ error: new ApiError(failure, 0) }));
    events.addEventListener('error', () => {
      // What is refused before it begins is told by an answer that no stream is.
      if (events.readyState === EventSource.CLOSED) void whyNot(address).then((error) => !isOver && finish({ error }));
      else if (!live) finish({ error: unreachable() });
    });
    return () => {
      isOver = true;
      events.close();
    };
  }, [address, live, revision]);
  const stop = (): void => {
    source.current?.close();
    setState((before) => ({ ...before, isReading: false }));
  };
  return { ...state, stop };
}
