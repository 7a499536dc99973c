import type { Clock } from '@millrace/ports';

/** How a side of replication is held back. */
export interface ReplicationThrottleOptions {
  readonly clock: Clock;
  readonly brokerId: number;
  /** `replication.quota.window.num`: over how many windows the rate is taken. */
  readonly windows: number;
  /** `replication.quota.window.size.seconds`, in milliseconds. */
  readonly windowMs: number;
  /** `leader.` or `follower.replication.throttled.rate`, in bytes a second; Infinity holds nothing back. */
  readonly bytesPerSecond: () => number;
  /** The topic's `leader.` or `follower.replication.throttled.replicas`: `*`, or `partition:broker` pairs. */
  readonly replicasOf: (topic: string) => string | undefined;
}

interface Window {
  readonly startMs: number;
  bytes: number;
}

type Throttled = ReadonlySet<number> | 'all' | 'none';

/**
 * One side of the throttled replication of a broker, what it leads or what it follows (KIP-73): whether replicas that are not in sync
 * have to wait, because those that are throttled have had their bytes.
 */
export class ReplicationThrottle {
  readonly #options: ReplicationThrottleOptions;
  /** The oldest first. */
  readonly #windows: Window[] = [];
  /** What the settings of topics say, as it was read last. */
  readonly #read = new Map<string, { readonly text: string; readonly partitions: Throttled }>();

  constructor(options: ReplicationThrottleOptions) {
    this.#options = options;
  }

  /** Whether anything is held back at all: nothing else need be asked where it is not. */
  get isOn(): boolean {
    return this.#options.bytesPerSecond() !== Number.POSITIVE_INFINITY;
  }

  /** Whether this broker's replica of a partition is one of those that are throttled. */
  isThrottled(topic: string, partition: number): boolean {
    const partitions = this.#partitionsOf(topic);
    return partitions === 'all' || (partitions !== 'none' && partitions.has(partition));
  }

  /** Counts bytes of a throttled replica. */
  record(bytes: number): void {
    const nowMs = this.#options.clock.monotonic();
    this.#forgetOld(nowMs);
    const newest = this.#windows.at(-1);
    if (newest !== undefined && nowMs - newest.startMs < this.#options.windowMs) newest.bytes += bytes;
    else this.#windows.push({ startMs: nowMs, bytes });
  }

  /** Whether they have had more than their rate. */
  get isExceeded(): boolean {
    const { clock, windowMs, bytesPerSecond } = this.#options;
    const limit = bytesPerSecond();
    if (limit === Number.POSITIVE_INFINITY) return false;
    const nowMs = clock.monotonic();
    this.#forgetOld(nowMs);
    const [oldest] = this.#windows;
    if (oldest === undefined) return false;
    // Less than a window says nothing about a rate: a first batch would look like a flood.
    const spanMs = Math.max(windowMs, nowMs - oldest.startMs);
    const bytes = this.#windows.reduce((sum, window) => sum + window.bytes, 0);
    return (bytes * 1000) / spanMs > limit;
  }

  #forgetOld(nowMs: number): void {
    const { windows, windowMs } = this.#options;
    const sinceMs = nowMs - windows * windowMs;
    while (this.#windows[0] !== undefined && this.#windows[0].startMs < sinceMs) this.#windows.shift();
  }

  #partitionsOf(topic: string): Throttled {
    const text = this.#options.replicasOf(topic) ?? '';
    const known = this.#read.get(topic);
    if (known?.text === text) return known.partitions;
    const partitions = parse(text, this.#options.brokerId);
    if (text === '') this.#read.delete(topic);
    else this.#read.set(topic, { text, partitions });
    return partitions;
  }
}

function parse(text: string, brokerId: number): Throttled {
  if (text === '') return 'none';
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.includes('*')) return 'all';
  const own = entries.map((entry) => entry.split(':').map(Number)).filter(([, broker]) => broker === brokerId);
  return new Set(own.map(([partition]) => partition as number));
}
