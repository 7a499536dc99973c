import { describe, expect, it } from 'vitest';
import { interBrokerVersions } from './inter-broker-versions.ts';

describe('inter.broker.protocol.version', () => {
  it.each([
    ['2.8', 5, 3, 7, 12, 6],
    ['2.8-IV1', 5, 3, 7, 12, 6],
    ['3.0', 5, 3, 7, 12, 7],
    ['3.0-IV0', 5, 3, 7, 12, 6],
    ['3.1', 5, 3, 7, 13, 7],
    ['3.2', 6, 3, 7, 13, 7],
    ['3.4', 7, 4, 8, 13, 7],
    ['3.5-IV0', 7, 4, 8, 14, 8],
    ['3.6', 7, 4, 8, 15, 8],
    ['3.7-IV0', 7, 4, 8, 15, 8],
    ['3.9', 7, 4, 8, 17, 9],
    ['3.9.1', 7, 4, 8, 17, 9],
    ['4.0-IV1', 7, 4, 8, 17, 9],
  ])('%s speaks what that release spoke', (setting, leaderAndIsr, stopReplica, updateMetadata, fetch, listOffsets) => {
    const expected = { leaderAndIsr, stopReplica, updateMetadata, fetch, listOffsets, offsetForLeaderEpoch: 4 };
    expect(interBrokerVersions(setting)).toMatchObject(expected);
  });

  it.each([
    ['2.8', 1],
    ['3.2', 1],
    ['3.3-IV0', 2],
    ['3.9', 2],
  ])('%s writes the node of features as that release did', (setting, featureNode) => {
    expect(interBrokerVersions(setting)).toMatchObject({ featureNode });
  });

  it.each([
    ['2.8', false],
    ['3.7', false],
    ['3.7-IV4', false],
    ['3.8-IV0', true],
    ['3.9', true],
  ])('%s lets values of __transaction_state have tags where that release reads them', (setting, isRead) => {
    expect(interBrokerVersions(setting)).toMatchObject({ hasTaggedTransactions: isRead });
  });

  it.each(['2.7', '2.7-IV2', '2.9', '3.5-IV3', '3.10', '4.1', '9.9', '0.10.2', 'newest', ''])(
    'cannot be %j',
    (setting) => {
      expect(interBrokerVersions(setting)).toBeUndefined();
    },
  );
});
