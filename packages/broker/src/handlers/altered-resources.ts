import { ErrorCode } from '@millrace/protocol';
import { type ConfigResource, RESOURCE_TYPE } from '../admin/config-admin.ts';
import { type ApiError, apiError } from '../shared/api-error.ts';
import { CLUSTER, type Resource as OwnedResource, topicResource } from '../shared/authorization.ts';
import { eachInTurns, startInTurns } from '../shared/turns.ts';
import type { RequestContext } from './handler.ts';

/** Alters every resource that a request names once; one that it names more than once is refused. */
export async function alterEach<Resource extends ConfigResource>(
  resources: readonly Resource[],
  alter: (resource: Resource) => Promise<ApiError>,
  context: Pick<RequestContext, 'authorize' | 'pause'>,
): Promise<(ApiError & ConfigResource)[]> {
  const pause = (): ReturnType<RequestContext['pause']> => context.pause();
  /** By type and name; undefined for one that comes twice. */
  const once = new Map<string, Resource | undefined>();
  const distinct: { readonly key: string; readonly resource: Resource }[] = [];
  const note = (resource: Resource): void => {
    const key = `${resource.resourceType} ${resource.resourceName}`;
    if (once.has(key)) {
      once.set(key, undefined);
      return;
    }
    once.set(key, resource);
    distinct.push({ key, resource });
  };
  await eachInTurns(resources, note, pause);
  const repeated = apiError(ErrorCode.INVALID_REQUEST, 'Each resource must appear at most once.');
  const alterOne = async ({ key, resource }: (typeof distinct)[number]): Promise<ApiError & ConfigResource> => {
    const { resourceType, resourceName } = resource;
    const refusal = context.authorize('AlterConfigs', configOwner(resource));
    const outcome = refusal ?? (once.get(key) === undefined ? repeated : await alter(resource));
    return { ...outcome, resourceType, resourceName };
  };
  return startInTurns(distinct, alterOne, pause);
}

/** Whose rights decide over configs: the topic's, or the cluster's for everything else. */
export function configOwner({ resourceType, resourceName }: ConfigResource): OwnedResource {
  return resourceType === RESOURCE_TYPE.TOPIC ? topicResource(resourceName) : CLUSTER;
}
