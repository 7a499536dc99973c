/** What every foreign client can be asked to do, whatever its language, so that tests and captures treat them alike. */

/** The codecs of record batches, in the spelling that most clients take. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof CODECS)[number];

/** A record as text, which is what command-line clients can write and print. */
export interface TextRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where a broker is, as `host:port`. */
export type Bootstrap = string;

export interface ForeignClient {
  readonly name: string;
  /** The codecs it can write; all can read all. */
  readonly codecs: readonly Codec[];
  /** Name and version as they go into reports and fixtures. */
  version(): Promise<string>;
  /** Writes the records in order to partition 0, and returns when they are acknowledged by all replicas. */
  produce(bootstrap: Bootstrap, topic: string, codec: Codec, records: readonly TextRecord[]): Promise<void>;
  /** Reads the first `count` records of partition 0 from the beginning. */
  consume(bootstrap: Bootstrap, topic: string, count: number): Promise<TextRecord[]>;
  /** Reads `count` records as the only member of a group, from its offsets or the beginning, and commits them. */
  consumeInGroup(bootstrap: Bootstrap, topic: string, group: string, count: number): Promise<TextRecord[]>;
}

/** Longest that a client may take for one of its tasks before the task counts as failed. */
export const CLIENT_MS_MAX = 30_000;

/** Long enough that the codecs cut it into several blocks: xerial's are 32 KiB, those of LZ4 frames 64 KiB. */
const LONG_CHARS = 70_000;

/**
 * Records that have broken clients before: no key, a tombstone, text beyond ASCII, many blocks of compressed data. The
 * headers are the same for all, because kcat can only do that.
 */
export function sampleRecords(writer: string, codec: Codec): TextRecord[] {
  const headers = { writer, codec };
  const long = `${writer} `
    .repeat(Math.ceil(LONG_CHARS / (writer.length + 1)))
    .slice(0, codec === 'none' ? 500 : LONG_CHARS);
  return [
    { key: 'first', value: `from ${writer} as ${codec}`, headers },
    { key: null, value: 'no key', headers },
    { key: 'tombstone', value: null, headers },
    { key: 'grüße', value: '流れ → Δοκιμή 🌊', headers },
    { key: 'long', value: long, headers },
  ];
}

/** Fails with what was going on when a promise takes longer than `ms`. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
