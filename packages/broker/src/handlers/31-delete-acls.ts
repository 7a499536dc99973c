/**
 * DeleteAcls: removes access rules that match filters. Without an authorizer each filter is answered with SECURITY_DISABLED, as
 * Kafka's `AclApis` does.
 */
import { DeleteAcls, ErrorCode } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const deleteAcls = defineHandler(DeleteAcls, { minVersion: 0, maxVersion: 3 }, ({ filters }) => ({
  filterResults: filters.map(() => ({
    errorCode: ErrorCode.SECURITY_DISABLED,
    errorMessage: 'No Authorizer is configured.',
    matchingAcls: [],
  })),
}));
