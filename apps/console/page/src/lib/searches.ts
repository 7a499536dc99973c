/** What the addresses of pages say behind the `?`. */

/** What the address of a topic says beside its name: which part is shown, and what of its messages. */
export interface TopicSearch {
  readonly tab?: 'messages' | 'partitions' | 'configs' | 'readers' | undefined;
  readonly from?: 'newest' | 'beginning' | 'offset' | 'time' | undefined;
  readonly at?: string | undefined;
  readonly partition?: number | undefined;
  readonly q?: string | undefined;
  readonly as?: 'text' | 'regex' | 'javascript' | 'jsonpath' | undefined;
  /** The message that is open. */
  readonly m?: string | undefined;
}

/** Which part of the rights is shown. */
export interface AccessSearch {
  readonly part?: 'acls' | 'users' | 'quotas' | undefined;
}

/** The partition whose lag is drawn, as `topic/partition`; the whole group's without one. */
export interface GroupSearch {
  readonly p?: string | undefined;
}
