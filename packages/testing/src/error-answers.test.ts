/** What `failNext` of a test broker can answer: every API of the protocol is either in its table or in the list here, with the reason. */

import { apiByKey, decodeBody, encodeBody } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryBody } from '../../protocol/definitions/arbitraries.ts';
import { apis } from '../../protocol/definitions/index.ts';
import { errorAnswer } from './error-answers.ts';

/** APIs that `failNext` refuses by name: brokers ask them of one another, a connection begins with them, or no SDK of ours asks them. */
const WITHOUT_ANSWER: ReadonlySet<string> = new Set([
  // Among brokers.
  'LeaderAndIsr',
  'StopReplica',
  'UpdateMetadata',
  'ControlledShutdown',
  'WriteTxnMarkers',
  'AlterPartition',
  'AllocateProducerIds',
  'UnregisterBroker',
  'DescribeQuorum',
  'AddRaftVoter',
  'RemoveRaftVoter',
  // What a connection begins with: `dropNext` stands for what goes wrong there.
  'SaslHandshake',
  'ApiVersions',
  'SaslAuthenticate',
  // Administration beside topics, groups and configs.
  'DescribeAcls',
  'CreateAcls',
  'DeleteAcls',
  'AlterReplicaLogDirs',
  'DescribeLogDirs',
  'CreateDelegationToken',
  'RenewDelegationToken',
  'ExpireDelegationToken',
  'DescribeDelegationToken',
  'ElectLeaders',
  'AlterPartitionReassignments',
  'ListPartitionReassignments',
  'DescribeClientQuotas',
  'AlterClientQuotas',
  'DescribeUserScramCredentials',
  'AlterUserScramCredentials',
  'UpdateFeatures',
  // Not served, so that there is nothing to fail.
  'ConsumerGroupHeartbeat',
  'ConsumerGroupDescribe',
  'GetTelemetrySubscriptions',
  'PushTelemetry',
  'ListClientMetricsResources',
  'DescribeTopicPartitions',
  'ShareGroupHeartbeat',
  'ShareGroupDescribe',
  'ShareFetch',
  'ShareAcknowledge',
]);

const ERROR = 42;
const RUNS_PER_VERSION = 5;

describe('an error that a test broker answers with', () => {
  it('is there for every API but those that are listed', () => {
    const without = apis.filter(({ key }) => errorAnswer(key) === undefined).map(({ name }) => name);
    expect(without.toSorted()).toEqual([...WITHOUT_ANSWER].toSorted());
  });

  it.each(apis.filter(({ key }) => errorAnswer(key) !== undefined).map((api) => [api.name, api] as const))(
    'is an answer of %s to any request in any version, and names the error',
    (_, { key, request: definition }) => {
      const { request, response, minVersion, maxVersion } = apiByKey.get(key)!;
      const told = new Set<number>();
      for (let version = minVersion; version <= maxVersion; version += 1) {
        const check = fc.property(arbitraryBody(definition, version), (body) => {
          const asked = decodeBody(request, version, encodeBody(request, version, body));
          const answer = errorAnswer(key)!(asked as never, ERROR, version);
          const answered = decodeBody(response, version, encodeBody(response, version, answer));
          for (const [, code] of JSON.stringify(answered).matchAll(/[eE]rrorCode":(-?\d+)/g)) told.add(Number(code));
        });
        fc.assert(check, { numRuns: RUNS_PER_VERSION });
      }
      // 0 is what is decoded of a field that a version does not have, or has for requests of another kind.
      expect(told.has(ERROR)).toBe(true);
      expect([...told].filter((code) => code !== ERROR && code !== 0)).toEqual([]);
    },
  );
});
