import type { Clock, Timer } from '@millrace/ports';
import { asError, waitedTooLong } from './errors.ts';
import type { Content, PendingSend, TopicLine } from './pending-send.ts';

/** Records of one topic that serializers work at in the same moment; those behind them wait until one is done. */
const SERIALIZED_AT_ONCE_MAX = 256;

/** What the line needs of the producer. */
export interface SerializingLineParts<K, V> {
  readonly clock: Clock;
  /** How long a send may wait here, counted from its call. */
  readonly waitMsMax: number;
  serialize(send: PendingSend<K, V>): Promise<{ readonly key: Content; readonly value: Content }>;
  /** Takes a send on when its turn has come; a promise says that it cannot go on yet, and to ask again when it has settled. */
  goOn(send: PendingSend<K, V>): Promise<unknown> | undefined;
  /** Called whenever the line has become empty. */
  emptied(): void;
}

interface Entry<K, V> {
  readonly send: PendingSend<K, V>;
  state: 'waiting' | 'serializing' | 'ready' | 'told';
}

/**
 * Sends that wait for asynchronous serializers. Many are worked at together, and they leave in the order in which they came: who is
 * ready early waits for those before.
 */
export class SerializingLine<K, V> implements TopicLine<K, V> {
  readonly #parts: SerializingLineParts<K, V>;
  #entries: Entry<K, V>[] = [];
  /** How many have joined and left since the beginning, by which flushes know whom they wait for. */
  #joined = 0;
  #left = 0;
  #flushes: { readonly until: number; readonly resolve: () => void }[] = [];
  /** Whether the head has been told to wait for something else than its serializer. */
  #isHeld = false;
  #timer: Timer | undefined;

  constructor(parts: SerializingLineParts<K, V>) {
    this.#parts = parts;
  }

  get length(): number {
    return this.#entries.length;
  }

  join(send: PendingSend<K, V>): void {
    this.#entries.push({ send, state: send.serialized === undefined ? 'waiting' : 'ready' });
    this.#joined += 1;
    if (this.#entries.length <= SERIALIZED_AT_ONCE_MAX) this.#start(this.#entries.at(-1)!);
    this.#advance();
  }

  settled(): Promise<void> {
    if (this.#entries.length === 0) return Promise.resolve();
    const until = this.#joined;
    return new Promise((resolve) => this.#flushes.push({ until, resolve }));
  }

  close(error: Error): void {
    this.#timer?.cancel();
    for (const { send, state } of this.#entries) if (state !== 'told') send.reject(error);
    this.#leave(this.#entries.length);
  }

  #start(entry: Entry<K, V>): void {
    if (entry.state !== 'waiting') return;
    entry.state = 'serializing';
    this.#parts.serialize(entry.send).then(
      (serialized) => {
        entry.send.serialized = serialized;
        if (entry.state === 'serializing') entry.state = 'ready';
        this.#advance();
      },
      (error: unknown) => this.#tell(entry, asError(error)),
    );
  }

  #tell(entry: Entry<K, V>, error: Error): void {
    if (entry.state !== 'told') entry.send.reject(error);
    entry.state = 'told';
    this.#advance();
  }

  /** Lets those at the head go on who are ready, and has work begun for those who move up. */
  #advance(): void {
    let leaving = 0;
    while (leaving < this.#entries.length && !this.#isHeld) {
      const entry = this.#entries[leaving]!;
      if (entry.state === 'ready' && !this.#goOn(entry)) break;
      if (entry.state === 'waiting' || entry.state === 'serializing') break;
      leaving += 1;
    }
    if (leaving > 0) this.#leave(leaving);
    this.#scheduleExpiry();
  }

  /** Whether the send has gone on. */
  #goOn(entry: Entry<K, V>): boolean {
    const obstacle = this.#parts.goOn(entry.send);
    if (obstacle === undefined) return true;
    this.#isHeld = true;
    obstacle.then(
      () => {
        this.#isHeld = false;
        this.#advance();
      },
      (error: unknown) => {
        this.#isHeld = false;
        this.#tell(entry, asError(error));
      },
    );
    return false;
  }

  #leave(count: number): void {
    this.#entries = this.#entries.slice(count);
    this.#left += count;
    for (const entry of this.#entries.slice(0, SERIALIZED_AT_ONCE_MAX)) this.#start(entry);
    const over = this.#flushes.filter(({ until }) => until <= this.#left);
    this.#flushes = this.#flushes.filter(({ until }) => until > this.#left);
    for (const { resolve } of over) resolve();
    if (this.#entries.length === 0) this.#parts.emptied();
  }

  /** The head has waited longest. */
  #scheduleExpiry(): void {
    const [head] = this.#entries;
    if (head === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    const { clock, waitMsMax } = this.#parts;
    this.#timer ??= clock.schedule(head.send.sinceMs + waitMsMax - clock.monotonic(), () => {
      this.#timer = undefined;
      const nowMs = clock.monotonic();
      for (const entry of this.#entries) {
        if (nowMs - entry.send.sinceMs < waitMsMax || entry.state === 'told') continue;
        entry.state = 'told';
        const waitedFor = entry.send.serialized === undefined ? 'its serializer' : 'records before it';
        entry.send.reject(waitedTooLong(entry.send.record.topic, waitedFor, waitMsMax));
      }
      this.#advance();
    });
  }
}
