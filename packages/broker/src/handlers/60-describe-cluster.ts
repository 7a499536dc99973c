/**
 * DescribeCluster: cluster id, controller and brokers, for admin tools (KIP-700).
 *
 * - v1 asks for the endpoints of brokers (1) or of controllers (2). Controllers are brokers here and have no endpoints of
 *   their own, so a tool that was pointed at a controller is told that it has reached something else.
 */
import { DescribeCluster, ErrorCode } from '@millrace/protocol';
import { listBrokers } from '../cluster/partition-listing.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { authorizedOperations, OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const ENDPOINTS_OF_BROKERS = 1;
const ENDPOINTS_OF_CONTROLLERS = 2;

export const describeCluster = defineHandler(DescribeCluster, { minVersion: 0, maxVersion: 1 }, (request, context) => {
  const { broker, connection } = context;
  if (request.endpointType !== ENDPOINTS_OF_BROKERS) {
    const isKnown = request.endpointType === ENDPOINTS_OF_CONTROLLERS;
    return {
      throttleTimeMs: 0,
      errorCode: isKnown ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: isKnown
        ? 'The request was sent to an endpoint of type BROKER, and asks for endpoints of type CONTROLLER'
        : `Endpoint type ${request.endpointType} is not known`,
      clusterId: broker.clusterId,
      brokers: [],
    };
  }
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    clusterId: broker.clusterId,
    controllerId: broker.cluster.controllerId,
    brokers: listBrokers(broker.cluster, connection.listenerName).map(({ id, ...broker }) => ({
      brokerId: id,
      ...broker,
    })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? operationsOf(context)
      : OPERATIONS_NOT_ASKED,
  };
});

/** Everybody may ask for the brokers; what he may do with the cluster is told to those who may describe it. */
function operationsOf(context: RequestContext): number {
  return context.isAllowed('Describe', CLUSTER) ? authorizedOperations(context, CLUSTER) : 0;
}
