/**
 * DescribeUserScramCredentials: who has SCRAM credentials, for which mechanism and with how many iterations (KIP-554); never more.
 *
 * - Null asks for all users. Who may not is refused as a whole; Kafka 3.9 does not answer him at all where he asks for all.
 */
import {
  DescribeUserScramCredentials,
  ErrorCode,
  type DescribeUserScramCredentialsResponseResultInput as Result,
} from '@millrace/protocol';
import { SCRAM_CODES, type ScramCredential, type ScramMechanism } from '../security/login/scram-credential.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const describeUserScramCredentials = defineHandler(
  DescribeUserScramCredentials,
  { minVersion: 0, maxVersion: 0 },
  ({ users }, context) => {
    const refusal = context.authorize('Describe', CLUSTER);
    if (refusal !== undefined) {
      const { errorCode } = refusal;
      const results = users === null ? [] : [{ user: '', errorCode, errorMessage: null, credentialInfos: [] }];
      return { errorCode, errorMessage: null, results };
    }
    const { all } = context.broker.users;
    const asked = users === null || users.length === 0 ? [...all.keys()] : users.map(({ name }) => name);
    const counts = new Map<string, number>();
    for (const user of asked) counts.set(user, (counts.get(user) ?? 0) + 1);
    const results = Array.from(counts, ([user, count]): Result => {
      if (count > 1) {
        return failed(
          user,
          ErrorCode.DUPLICATE_RESOURCE,
          `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`,
        );
      }
      const credentials = all.get(user);
      if (credentials !== undefined) {
        return { user, errorCode: ErrorCode.NONE, errorMessage: null, credentialInfos: infosOf(credentials) };
      }
      return failed(
        user,
        ErrorCode.RESOURCE_NOT_FOUND,
        `Attempt to describe a user credential that does not exist: ${user}`,
      );
    });
    return { errorCode: ErrorCode.NONE, errorMessage: null, results };
  },
);

function failed(user: string, errorCode: number, errorMessage: string): Result {
  return { user, errorCode, errorMessage, credentialInfos: [] };
}

function infosOf(credentials: ReadonlyMap<ScramMechanism, ScramCredential>): Result['credentialInfos'] {
  return Array.from(credentials, ([mechanism, { iterations }]) => ({ mechanism: SCRAM_CODES[mechanism], iterations }));
}
