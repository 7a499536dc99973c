import type { StartAt } from '../parse/start-at.ts';

export interface ConsumeOptions {
  readonly group?: string;
  readonly instanceId?: string;
  readonly fromBeginning?: boolean;
  readonly offset?: StartAt;
  readonly partition?: readonly number[];
  readonly maxMessages?: number;
  readonly exitAtEnd?: boolean;
  readonly idleTimeout?: number;
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed';
  /** `value`, `json`, or a template. */
  readonly format?: string;
  readonly printKey?: boolean;
  readonly printOffset?: boolean;
  readonly printPartition?: boolean;
  readonly printTimestamp?: boolean;
  readonly printHeaders?: boolean;
  readonly separator?: string;
}
