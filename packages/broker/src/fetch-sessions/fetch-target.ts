/**
 * One partition that a Fetch request asks for. Within a session the same object lives from request to request: the
 * client then names only partitions whose fetch offset changed, and the broker answers only for those that have news.
 */
export interface FetchTarget {
  /** The topic's name; empty where the request carries ids (version 13 and up). */
  readonly topic: string;
  /** The topic's id; empty where the request carries names. */
  readonly topicId: string;
  readonly partition: number;
  fetchOffset: number;
  /** The most bytes to return of this partition. */
  maxBytes: number;
  /** The leader epoch that the client believes in; -1 when it does not say. */
  currentLeaderEpoch: number;
  /** Epoch of the last record that the client has; -1 when it does not say. */
  lastFetchedEpoch: number;
  /** A follower's log start offset; -1 from consumers. */
  followerLogStartOffset: number;
  /** The high watermark that was last sent, -1 for none: the partition is then part of the next response. */
  sentHighWatermark: number;
  /** The log start offset that was last sent, -1 for none. */
  sentLogStartOffset: number;
}

/** What a response says about a partition, as far as it decides whether the response must say it. */
export interface PartitionNews {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly recordsSizeBytes: number;
  /** Whether the response tells of a diverging epoch or of another replica to read from. */
  readonly hasAdvice: boolean;
}

/**
 * Whether an incremental response must include the partition, because there are records, an error, or other offsets than
 * the client knows; remembers what is sent (KIP-227).
 */
export function takeNews(target: FetchTarget, news: PartitionNews): boolean {
  let mustSend = news.recordsSizeBytes > 0 || news.hasAdvice;
  if (target.sentHighWatermark !== news.highWatermark) {
    mustSend = true;
    target.sentHighWatermark = news.highWatermark;
  }
  if (target.sentLogStartOffset !== news.logStartOffset) {
    mustSend = true;
    target.sentLogStartOffset = news.logStartOffset;
  }
  // A follower that has not taken over where the log begins, when it was told, is told until it has: with a failing disk, say.
  if (target.followerLogStartOffset >= 0 && target.followerLogStartOffset < news.logStartOffset) mustSend = true;
  if (news.errorCode !== 0) mustSend = true;
  // So that the partition is sent again as soon as the error has gone, or what has diverged is cut: none of the offsets counted with it.
  if (news.errorCode !== 0 || news.hasAdvice) target.sentHighWatermark = -1;
  return mustSend;
}
