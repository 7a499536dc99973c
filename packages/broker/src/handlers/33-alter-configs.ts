/**
 * AlterConfigs: replaces all that is set on topics or brokers. Deprecated in favour of IncrementalAlterConfigs, and used all
 * the same.
 *
 * - v1 nothing we use; v2 flexible. Each resource succeeds or fails on its own.
 */
import { AlterConfigs } from '@millrace/protocol';
import { alterEach } from './altered-resources.ts';
import { defineHandler } from './handler.ts';

export const alterConfigs = defineHandler(AlterConfigs, { minVersion: 0, maxVersion: 2 }, async (request, context) => ({
  responses: await alterEach(
    request.resources,
    (resource) => context.broker.configAdmin.replace(resource, resource.configs, request.validateOnly),
    context,
  ),
}));
