/**
 * What each route takes, checked before a handler sees it. Names of prototypes are no keys of what comes out.
 *
 * By zod's third interface: the fourth reads the words of fifty languages when it is loaded, which are 13 MB of memory.
 */
import { z } from 'zod/v3';
import { ACL_OPERATIONS, ACL_RESOURCES, type Api, type Input, type Route, SCRAM_MECHANISMS } from '../api/contract.ts';
import { NAME_CHARS_MAX } from '../api/names.ts';
import { SCHEMA_ID_MAX } from '../schemas/registry.ts';

const cluster = z.string().min(1).max(200);
const topic = z.string().min(1).max(249);
const group = z.string().max(NAME_CHARS_MAX);
const NO_NUMBER = { invalid_type_error: 'is no number' };
/** Queries and paths are text; bodies have numbers. */
const whole = z.coerce.number(NO_NUMBER).int().min(0).max(Number.MAX_SAFE_INTEGER);
const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const partition = z.coerce.number(NO_NUMBER).int().min(0).max(0x7fff_ffff);
const named = z.record(z.string().max(500), z.string().max(100_000));
const text = z.string().max(1024 * 1024);
/** Partitions of one topic that are reset by hand. */
const PARTITIONS_MAX = 10_000;
const schemaId = z.number().int().min(1).max(SCHEMA_ID_MAX).optional();

const headerName = z.string().max(10_000);
const place = z.number().int().min(0).max(0x7fff_ffff);
const edits = z
  .object({
    key: text.nullable().optional(),
    value: text.nullable().optional(),
    headers: z
      .array(
        z.union([
          z.object({ keptFrom: place, without: headerName.optional() }),
          z.object({ kept: place, name: headerName.optional() }),
          z.object({ name: headerName, value: text }),
        ]),
      )
      .max(1000)
      .optional(),
    partition: partition.optional(),
    keySchema: schemaId,
    valueSchema: schemaId,
  })
  .optional();

const onTopic = { cluster, topic };
const onGroup = { cluster, group };
const change = {
  set: named,
  unset: z.array(z.string().max(500)).max(1000),
  seen: z.record(z.string().max(500), z.string().max(100_000).nullable()).optional(),
};

const name = z.string().min(1).max(NAME_CHARS_MAX);
const acl = z.object({
  resource: z.enum(ACL_RESOURCES),
  name,
  pattern: z.enum(['literal', 'prefixed']),
  principal: name,
  host: name,
  operation: z.enum(ACL_OPERATIONS),
  permission: z.enum(['allow', 'deny']),
});
const onUser = { cluster, user: name, mechanism: z.enum(SCRAM_MECHANISMS) };
const entity = z
  .array(z.object({ type: z.enum(['user', 'client-id', 'ip']), name: name.nullable() }))
  .min(1)
  .max(2);

/** How messages are read: pages and streams take the same. */
export const readPlan = z.object({
  ...onTopic,
  from: z.enum(['newest', 'beginning', 'offset', 'time']),
  at: whole.optional(),
  partition: partition.optional(),
  search: z.string().max(10_000).optional(),
  searchAs: z.enum(['text', 'regex', 'javascript', 'jsonpath']).optional(),
  limit: z.coerce.number().int().min(1).max(500).optional(),
  cursor: z.string().max(100_000).optional(),
});

/** What a page calls a file that it has asked for. */
export const exportId = z.string().regex(/^[\w-]{8,64}$/);

/** A check for each route. */
export const inputs: { readonly [R in Route]: z.ZodType<Input<R>> } = {
  'GET /api/session': z.object({}),
  'GET /api/clusters/:cluster/overview': z.object({ cluster }),
  'GET /api/clusters/:cluster/topics': z.object({ cluster }),
  'GET /api/clusters/:cluster/topic-figures': z.object({ cluster }),
  'GET /api/clusters/:cluster/new-topic-configs': z.object({ cluster }),
  'GET /api/clusters/:cluster/topics/:topic': z.object(onTopic),
  'GET /api/clusters/:cluster/topics/:topic/readers': z.object(onTopic),
  'GET /api/clusters/:cluster/topics/:topic/configs': z.object(onTopic),
  'GET /api/clusters/:cluster/topics/:topic/schemas': z.object(onTopic),
  'GET /api/clusters/:cluster/topics/:topic/messages': readPlan,
  'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset': z.object({
    ...onTopic,
    partition,
    offset: whole,
  }),
  'GET /api/clusters/:cluster/topics/:topic/exports/:id': z.object({ ...onTopic, id: exportId }),
  'GET /api/clusters/:cluster/groups': z.object({ cluster }),
  'GET /api/clusters/:cluster/groups/:group': z.object(onGroup),
  'GET /api/clusters/:cluster/groups/:group/history': z.object({
    ...onGroup,
    topic: topic.optional(),
    partition: partition.optional(),
  }),
  'GET /api/clusters/:cluster/brokers/:broker/configs': z.object({ cluster, broker: partition }),
  'GET /api/clusters/:cluster/log-dirs': z.object({ cluster }),
  'GET /api/clusters/:cluster/acls': z.object({ cluster }),
  'GET /api/clusters/:cluster/users': z.object({ cluster }),
  'GET /api/clusters/:cluster/quotas': z.object({ cluster }),
  'GET /api/clusters/:cluster/transactions': z.object({ cluster }),
  'POST /api/clusters/:cluster/acls': z.object({ cluster, acl }),
  'POST /api/clusters/:cluster/acls/delete': z.object({ cluster, acl }),
  'POST /api/clusters/:cluster/users': z.object({ ...onUser, password: z.string().min(1).max(1000) }),
  'POST /api/clusters/:cluster/users/delete': z.object({ ...onUser, confirm: z.string() }),
  'POST /api/clusters/:cluster/quotas': z.object({
    cluster,
    entity,
    values: z.record(z.string().max(100), z.number().min(0)),
    unset: z.array(z.string().max(100)).max(20),
  }),
  'POST /api/clusters/:cluster/transactions/abort': z.object({ cluster, id: name, confirm: z.string() }),
  'POST /api/clusters/:cluster/topics': z.object({
    cluster,
    topic,
    partitions: z.number().int().min(1).max(100_000).optional(),
    replication: z.number().int().min(1).max(32_767).optional(),
    configs: named,
    validateOnly: z.boolean().optional(),
  }),
  'POST /api/clusters/:cluster/topics/:topic/partitions': z.object({ ...onTopic, count: z.number().int().min(1) }),
  'POST /api/clusters/:cluster/topics/:topic/configs': z.object({ ...onTopic, ...change }),
  'POST /api/clusters/:cluster/topics/:topic/empty': z.object({ ...onTopic, confirm: z.string() }),
  'POST /api/clusters/:cluster/topics/:topic/delete': z.object({ ...onTopic, confirm: z.string() }),
  'POST /api/clusters/:cluster/topics/:topic/exports/:id/stop': z.object({ ...onTopic, id: exportId }),
  'POST /api/clusters/:cluster/topics/:topic/messages': z.object({
    ...onTopic,
    key: text.nullable(),
    value: text.nullable(),
    headers: z.array(z.object({ name: headerName, value: text })).max(1000),
    partition: partition.optional(),
    keySchema: schemaId,
    valueSchema: schemaId,
  }),
  'POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy': z.object({
    ...onTopic,
    partition,
    offset: whole,
    to: topic,
    edits,
  }),
  'POST /api/clusters/:cluster/groups/:group/reset': z.object({
    ...onGroup,
    topic,
    to: z.enum(['earliest', 'latest', 'time', 'offset', 'shift', 'each']),
    at: z.number().int().optional(),
    offsets: z
      .array(z.object({ partition, offset, from: offset.nullable().optional() }))
      .max(PARTITIONS_MAX)
      .optional(),
    dryRun: z.boolean(),
  }),
  'POST /api/clusters/:cluster/groups/:group/forget': z.object({ ...onGroup, topic }),
  'POST /api/clusters/:cluster/groups/:group/delete': z.object({ ...onGroup, confirm: z.string() }),
  'POST /api/clusters/:cluster/brokers/:broker/configs': z.object({ cluster, broker: partition, ...change }),
} satisfies { readonly [R in keyof Api]: unknown };
