/**
 * IncrementalAlterConfigs: sets, unsets, and adds to or takes from lists of, single configs of topics or brokers (KIP-339).
 *
 * - v1 flexible. Each resource succeeds or fails on its own.
 */
import { IncrementalAlterConfigs } from '@millrace/protocol';
import { alterEach } from './altered-resources.ts';
import { defineHandler } from './handler.ts';

export const incrementalAlterConfigs = defineHandler(
  IncrementalAlterConfigs,
  { minVersion: 0, maxVersion: 1 },
  async (request, context) => ({
    responses: await alterEach(
      request.resources,
      (resource) => context.broker.configAdmin.change(resource, resource.configs, request.validateOnly),
      context,
    ),
  }),
);
