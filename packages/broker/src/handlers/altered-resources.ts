import { ErrorCode } from '@millrace/protocol';
import { type ConfigResource, RESOURCE_TYPE } from '../admin/config-admin.ts';
import { type ApiError, apiError } from '../shared/api-error.ts';
import { CLUSTER, type Resource as OwnedResource, topicResource } from '../shared/authorization.ts';
import { startInTurns } from '../shared/turns.ts';
import type { RequestContext } from './handler.ts';

/** Alters every resource that a request names once; one that it names more than once is refused. */
export function alterEach<Resource extends ConfigResource>(
  resources: readonly Resource[],
  alter: (resource: Resource) => Promise<ApiError>,
  context: Pick<RequestContext, 'authorize' | 'pause'>,
): Promise<(ApiError & ConfigResource)[]> {
  const keyOf = ({ resourceType, resourceName }: ConfigResource): string => `${resourceType} ${resourceName}`;
  const byKey = new Map<string, Resource[]>();
  for (const resource of resources) {
    const same = byKey.get(keyOf(resource));
    if (same === undefined) byKey.set(keyOf(resource), [resource]);
    else same.push(resource);
  }
  const repeated = apiError(ErrorCode.INVALID_REQUEST, 'Each resource must appear at most once.');
  return startInTurns(
    [...byKey.values()],
    async ([resource, ...others]) => {
      const { resourceType, resourceName } = resource as Resource;
      const refusal = context.authorize('AlterConfigs', configOwner(resource as Resource));
      const outcome = refusal ?? (others.length > 0 ? repeated : await alter(resource as Resource));
      return { ...outcome, resourceType, resourceName };
    },
    () => context.pause(),
  );
}

/** Whose rights decide over configs: the topic's, or the cluster's for everything else. */
export function configOwner({ resourceType, resourceName }: ConfigResource): OwnedResource {
  return resourceType === RESOURCE_TYPE.TOPIC ? topicResource(resourceName) : CLUSTER;
}
