/** What fields hold that readers and writers know of beside plain values. */

/**
 * A tagged field that this codec has no name for (KIP-482). It is kept when a message is decoded and written again when the
 * message is encoded, so that what passes through is not lost.
 */
export interface UnknownTag {
  readonly tag: number;
  readonly data: Uint8Array;
}

/** What the `records` field takes: one run of record batches, or several that are sent one after the other, or null. */
export type RecordsInput = Uint8Array | readonly Uint8Array[] | null;
