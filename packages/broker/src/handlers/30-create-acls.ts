/**
 * CreateAcls: adds access rules. Without an authorizer each is answered with SECURITY_DISABLED, as Kafka's `AclApis` does: a rule
 * that nobody would hold anybody to must not seem to be there.
 */
import { CreateAcls, ErrorCode } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const createAcls = defineHandler(CreateAcls, { minVersion: 0, maxVersion: 3 }, ({ creations }) => ({
  results: creations.map(() => ({
    errorCode: ErrorCode.SECURITY_DISABLED,
    errorMessage: 'No Authorizer is configured.',
  })),
}));
