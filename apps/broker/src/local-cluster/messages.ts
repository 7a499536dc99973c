import type { BrokerEndpoint } from '@millrace/broker';
import type { StartErrorCode } from '../start-error.ts';

/** What the parent of a local cluster and its brokers tell one another. */

/** How a member is started. */
export interface MemberStart {
  readonly type: 'start';
  readonly brokerId: number;
  readonly configFile: string | undefined;
  readonly overrides: Readonly<Record<string, string>>;
  /** Where the cluster's page is served; undefined where it has none. */
  readonly sitePort: number | undefined;
}

/** From the parent. `stop` ends the whole cluster, so that nothing need be handed over to others. */
export type ToMember = MemberStart | { readonly type: 'stop' };

/** From a member. */
export type FromMember =
  | { readonly type: 'loaded' }
  | { readonly type: 'ready'; readonly endpoints: readonly BrokerEndpoint[]; readonly httpPort: number | undefined }
  | { readonly type: 'failed'; readonly message: string; readonly code: StartErrorCode };
