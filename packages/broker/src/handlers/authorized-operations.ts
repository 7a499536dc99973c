import { OPERATION_CODES } from '../security/acl.ts';
import type { Operation, Resource } from '../shared/authorization.ts';
import type { RequestContext } from './handler.ts';

/** What a response says that was not asked for authorized operations (the smallest int32). */
export const OPERATIONS_NOT_ASKED: number = -(2 ** 31);

/** What can be done with a resource of a type at all (`AclEntry.supportedOperations`). */
const SUPPORTED: Readonly<Record<'Topic' | 'Group' | 'Cluster', readonly Operation[]>> = {
  Topic: ['Read', 'Write', 'Create', 'Delete', 'Alter', 'Describe', 'DescribeConfigs', 'AlterConfigs'],
  Group: ['Read', 'Delete', 'Describe'],
  Cluster: ['Create', 'Alter', 'Describe', 'ClusterAction', 'DescribeConfigs', 'AlterConfigs', 'IdempotentWrite'],
};

/** What who asks may do with a resource, as a set of bits: bit N stands for the operation with code N (KIP-430). */
export function authorizedOperations(
  context: Pick<RequestContext, 'isAllowed'>,
  resource: Resource & { readonly type: keyof typeof SUPPORTED },
): number {
  let bits = 0;
  for (const operation of SUPPORTED[resource.type]) {
    if (context.isAllowed(operation, resource, 'description')) bits |= 1 << OPERATION_CODES[operation];
  }
  return bits;
}
