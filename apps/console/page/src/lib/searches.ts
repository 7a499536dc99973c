/** What the addresses of pages say behind the `?`. */

/** What a table of the page is sorted by. */
export interface SortSearch {
  /** The column, with `-` before it where the largest comes first. */
  readonly sort?: string | undefined;
}

/** What the address of a list says: what is looked for in it, and in which order it stands. */
export interface ListSearch extends SortSearch {
  readonly q?: string | undefined;
  /** The cluster's own topics are shown too. */
  readonly internal?: boolean | undefined;
}

/** What the address says of a list of configs. */
export interface ConfigSearch extends SortSearch {
  readonly q?: string | undefined;
  /** Only what was set is shown. */
  readonly own?: boolean | undefined;
  /** The config that is open. */
  readonly config?: string | undefined;
}

/** What the address of a topic says beside its name: which part is shown, and what of its messages. */
export interface TopicSearch extends ConfigSearch {
  readonly tab?: 'messages' | 'partitions' | 'configs' | 'readers' | undefined;
  readonly from?: 'newest' | 'beginning' | 'offset' | 'time' | undefined;
  /** An offset; or an instant with its zone, so that it is the same to everybody. */
  readonly at?: string | number | undefined;
  readonly partition?: number | undefined;
  readonly as?: 'text' | 'regex' | 'javascript' | 'jsonpath' | undefined;
  /** What comes from now on is shown. */
  readonly live?: boolean | undefined;
  /** Where the page before the one that is shown ended. */
  readonly c?: string | undefined;
  /** The message that is open. */
  readonly m?: string | undefined;
}

/** Which part of the rights is shown, and what is looked for in it. */
export interface AccessSearch extends SortSearch {
  readonly part?: 'acls' | 'users' | 'quotas' | undefined;
  readonly q?: string | undefined;
}

/** The partition whose lag is drawn, as `topic/partition`; the whole group's without one. */
export interface GroupSearch extends SortSearch {
  readonly p?: string | undefined;
}
