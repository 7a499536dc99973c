import type { ClusterDescription } from '@millrace/admin';
import { failure } from '../errors.ts';
import { formatRanges } from '../output/format.ts';

/** @throws CliError for brokers that the cluster does not have, which clients would wait for until their time is up */
export function refuseMissingBrokers({ brokers }: ClusterDescription, wanted: readonly number[]): void {
  const ids = brokers.map(({ nodeId }) => nodeId);
  const missing = [...new Set(wanted)].filter((id) => !ids.includes(id));
  if (missing.length === 0) return;
  const none = missing.length === 1 ? 'There is no broker' : 'There are no brokers';
  throw failure(
    `${none} ${formatRanges(missing)}: alive ${ids.length === 1 ? 'is' : 'are'} ${formatRanges(ids)}`,
    '`millrace cluster` shows the brokers there are.',
  );
}
