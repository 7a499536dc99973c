/** Messages as the page is shown them, and as it sends them: a part of the contract between page and server. */

/** How bytes are shown, chosen by looking at them. */
export type Shape = 'null' | 'empty' | 'json' | 'text' | 'number' | 'msgpack' | SchemaShape | 'schema' | 'hex';

/** Bytes that were read by a schema of the registry. */
export type SchemaShape = 'avro' | 'protobuf' | 'json-schema';

/** A key, a value or a header's value, as it is shown. */
export interface Shown {
  readonly shape: Shape;
  /** Cut where it is long. */
  readonly text: string;
  readonly bytes: number;
  readonly isCut: boolean;
  /** Which schema it was read by, or why it could not be. */
  readonly note?: string | undefined;
  /** The id of the schema by which it was read. */
  readonly schema?: number | undefined;
  /** What of it does not fit that schema; undefined where it fits, and where nobody can tell, which the note says. */
  readonly faults?: readonly string[] | undefined;
}

/** A header of a message. */
export interface ShownHeader {
  readonly name: string;
  readonly value: Shown;
}

/** A record as it is shown. */
export interface Message {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Shown;
  readonly value: Shown;
  /** The first ones; all of them with the message alone. */
  readonly headers: readonly ShownHeader[];
  readonly headerCount: number;
  /** Something of it is hidden: it cannot be sent elsewhere. */
  readonly isMasked: boolean;
  /** What became of the transaction it was sent in, as far as that is known: a list finds it out after it has shown the message. */
  readonly transaction?: TransactionOutcome | undefined;
  /** The batch in which it lies: with the message alone, and where the cluster tells. */
  readonly batch?: MessageBatch | undefined;
}

/** What became of a transaction: an open one is decided later. */
export type TransactionOutcome = 'committed' | 'aborted' | 'open';

/** What was found out of a message that is shown already. */
export interface MessageMark {
  readonly partition: number;
  readonly offset: number;
  readonly transaction: TransactionOutcome;
}

/** The batch in which a record lies, as its producer sent it. */
export interface MessageBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly records: number;
  readonly bytes: number;
  /** The codec's name, `none` where there is none. */
  readonly compression: string;
  /** The timestamps are the broker's, not the producer's. */
  readonly isAppendTime: boolean;
  /** -1 where it is not known. */
  readonly leaderEpoch: number;
  /** Null where it is not idempotent; the sequence is this record's. */
  readonly producer: { readonly id: number; readonly epoch: number; readonly sequence: number | null } | null;
  /** Null where it was sent in none. */
  readonly transaction: TransactionOutcome | null;
  /** What a control record says; null for what somebody has sent. */
  readonly marker: {
    readonly kind: 'commit' | 'abort' | 'other';
    readonly coordinatorEpoch: number | null;
  } | null;
}

/** Where reading begins. */
export type ReadFrom = 'newest' | 'beginning' | 'offset' | 'time';

/** What is looked for, and where. */
export interface ReadPlan {
  readonly from: ReadFrom;
  /** The offset, or the time in milliseconds since the Unix epoch. */
  readonly at?: number | undefined;
  readonly partition?: number | undefined;
  readonly search?: string | undefined;
  readonly searchAs?: 'text' | 'regex' | 'javascript' | 'jsonpath' | undefined;
  readonly limit?: number | undefined;
  /** Where the page before this one ended, as it was told. */
  readonly cursor?: string | undefined;
}

/** A partition that was not read to the end of what was asked for, and why: its leader is gone, or does not answer. */
export interface UnreadPartition {
  readonly partition: number;
  readonly why: 'noLeader' | 'noAnswer';
}

/** How a read ended. */
export interface ReadEnd {
  /** Gives what comes after this; null at the end. Where something could not be read it gives that too, once it can be. */
  readonly cursor: string | null;
  readonly scanned: number;
  /** Records from where reading began to the end, of the partitions that could be asked. */
  readonly total: number;
  /** How many of those that were looked at are longer than a search by expression, path or script looks. */
  readonly inPart: number;
  /** What of it is missing; empty where all was read that was asked for. */
  readonly unread: readonly UnreadPartition[];
}

/** What lies between a live tail that was cut off and where it goes on: so many records at most; null where nobody knows. */
export interface TailGap {
  readonly records: number | null;
}

/** A page of messages. */
export interface MessagePage extends ReadEnd {
  readonly messages: readonly Message[];
}

/** At what a file is cut that would hold more: so many messages, or so many bytes. */
export type ExportBound = 'records' | 'bytes';

/** How far a search is: told again and again while it goes on. */
export interface ReadProgress {
  readonly scanned: number;
  readonly total: number;
  readonly inPart: number;
}

/** A record to be sent; null is none, and of a value a tombstone. */
export interface NewMessage {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly partition?: number | undefined;
  /** Schemas of the registry, of JSON: what does not fit them is not sent. Without one the text is sent as it is. */
  readonly keySchema?: number | undefined;
  readonly valueSchema?: number | undefined;
}

/** A header of a record that is sent again: one of its own by its place among them, all from a place on, or another. */
export type HeaderEdit =
  | { readonly kept: number; readonly name?: string | undefined }
  /** But for those whose names begin so. */
  | { readonly keptFrom: number; readonly without?: string | undefined }
  | { readonly name: string; readonly value: string };

/** What of a record is another when it is sent again: what is not named goes as the bytes it was, whatever they look like. */
export interface MessageEdits {
  readonly key?: string | null | undefined;
  readonly value?: string | null | undefined;
  /** All of them, in their order. */
  readonly headers?: readonly HeaderEdit[] | undefined;
  readonly partition?: number | undefined;
  /** Schemas of the registry for what is another, as with a new message. */
  readonly keySchema?: number | undefined;
  readonly valueSchema?: number | undefined;
}
