/**
 * DescribeAcls: the access rules that match a filter.
 *
 * - Without an authorizer there are none to have: SECURITY_DISABLED, as Kafka's `AclApis` answers.
 */
import { DescribeAcls, ErrorCode } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const describeAcls = defineHandler(DescribeAcls, { minVersion: 0, maxVersion: 3 }, () => ({
  errorCode: ErrorCode.SECURITY_DISABLED,
  errorMessage: 'No Authorizer is configured on the broker',
  resources: [],
}));
