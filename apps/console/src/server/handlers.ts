/** What each route does. */
import type { Answer, Input, Message, MessageMark, Route } from '../api/contract.ts';
import { isAllowed, type Role } from '../api/roles.ts';
import { addAcl, changeQuotas, deleteAcl, listAcls, listQuotas, listUsers, setPassword } from '../clusters/access.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { brokerResource, changeConfigs, configsOf, newTopicConfigs } from '../clusters/configs.ts';
import { describeGroup, detailSeenBy, lookAtGroups, rowSeenBy, watchGroup } from '../clusters/groups.ts';
import { listLogDirs } from '../clusters/log-dirs.ts';
import { overviewOf } from '../clusters/overview.ts';
import { resetOffsets } from '../clusters/resets.ts';
import { describeTopic, listTopics, readersOf, topicFigures } from '../clusters/topics.ts';
import { listTransactions } from '../clusters/transactions.ts';
import { refusal } from '../errors.ts';
import { lookAtBatch, showMarker } from '../messages/batch-look.ts';
import { bytesBy, copyRecord, keepsRecord } from '../messages/copies.ts';
import { readMessages, readRecord } from '../messages/read.ts';
import { showing, showRecords } from '../messages/shown.ts';
import type { ReadTurns } from '../messages/turns.ts';
import type { Caller } from './guard.ts';
import type { Exports } from './known-exports.ts';

/** What handlers work with. */
export interface HandlerContext {
  readonly caller: Caller;
  readonly isReadOnly: boolean;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly version: string;
  readonly signal: AbortSignal;
  readonly turns: ReadTurns;
  readonly exports: Exports;
}

/** A route's work, and the role that it takes. */
export interface Handler<R extends Route> {
  readonly role: Role;
  run(input: Input<R>, context: HandlerContext): Promise<Answer<R>>;
}

/** The cluster of that name. */
export function clusterOf({ clusters }: Pick<HandlerContext, 'clusters'>, name: string): Cluster {
  const cluster = clusters.get(name);
  if (cluster === undefined) {
    throw refusal('CONSOLE_NOT_FOUND', 'noCluster', { name, all: [...clusters.keys()].join(', '), n: clusters.size });
  }
  return cluster;
}

function view<R extends Route>(run: Handler<R>['run']): Handler<R> {
  return { role: 'viewer', run };
}

/** A change: everybody's next look is a new one. */
function change<R extends Route>(
  role: Role,
  run: (cluster: Cluster, input: Input<R>, context: HandlerContext) => Promise<Answer<R>>,
): Handler<R> {
  return {
    role,
    async run(input, context) {
      // Every route that changes something is one of a cluster.
      const cluster = clusterOf(context, (input as { cluster: string }).cluster);
      try {
        return await run(cluster, input, context);
      } finally {
        cluster.forget();
      }
    },
  };
}

function confirmed(given: string, name: string): void {
  if (given !== name) throw refusal('CONSOLE_NOT_CONFIRMED', 'notConfirmed', { name });
}

/** By which name somebody takes turns: whoever comes without one shares those of nobody. */
export function whoReads({ user }: Caller): string {
  return user ?? '';
}

/** Of lists everybody is shown what he may see. */
function maySee(caller: Caller, on: 'topic' | 'group', name: string): boolean {
  return isAllowed(caller, 'viewer', { on, name });
}

function topicsSeenBy(caller: Caller): (topic: string) => boolean {
  return (topic) => maySee(caller, 'topic', topic);
}

/** A handler for each route. */
export const handlers: { readonly [R in Route]: Handler<R> } = {
  'GET /api/session': view((_, { caller, isReadOnly, clusters, version }) =>
    Promise.resolve({
      user: caller.user,
      role: caller.role,
      grants: caller.grants,
      isReadOnly,
      clusters: [...clusters.keys()],
      version,
      canLogOut: caller.hasSession === true,
    }),
  ),
  'GET /api/clusters/:cluster/overview': view((input, context) => overviewOf(clusterOf(context, input.cluster))),
  'GET /api/clusters/:cluster/topics': view(async (input, { caller, ...context }) =>
    (await listTopics(clusterOf(context, input.cluster))).filter(({ topic }) => maySee(caller, 'topic', topic)),
  ),
  'GET /api/clusters/:cluster/topic-figures': view(async (input, { caller, ...context }) =>
    (await topicFigures(clusterOf(context, input.cluster)))
      .filter(({ topic }) => maySee(caller, 'topic', topic))
      .map((row) => ({ ...row, groups: row.groups.filter(({ group }) => maySee(caller, 'group', group)) })),
  ),
  'GET /api/clusters/:cluster/new-topic-configs': view((input, context) =>
    newTopicConfigs(clusterOf(context, input.cluster)),
  ),
  'GET /api/clusters/:cluster/topics/:topic': view((input, context) =>
    describeTopic(clusterOf(context, input.cluster), input.topic),
  ),
  'GET /api/clusters/:cluster/topics/:topic/readers': view(async (input, { caller, ...context }) =>
    (await readersOf(clusterOf(context, input.cluster), input.topic)).filter(({ group }) =>
      maySee(caller, 'group', group),
    ),
  ),
  'GET /api/clusters/:cluster/topics/:topic/configs': view((input, context) =>
    configsOf(clusterOf(context, input.cluster), { type: 'topic', name: input.topic }),
  ),
  'GET /api/clusters/:cluster/topics/:topic/schemas': view(async ({ cluster, topic }, context) => {
    const { schemas } = clusterOf(context, cluster);
    if (schemas === undefined) return [];
    const found = await Promise.all(
      (['key', 'value'] as const).map(async (of) => {
        const schema = await schemas.latest(`${topic}-${of}`);
        return schema === undefined ? [] : [{ of, ...schema }];
      }),
    );
    return found.flat();
  }),
  'GET /api/clusters/:cluster/topics/:topic/messages': view(async ({ cluster, topic, ...plan }, context) => {
    const messages: Message[] = [];
    const marks = new Map<string, MessageMark>();
    const { signal, turns } = context;
    const request = { cluster: clusterOf(context, cluster), topic, plan, signal, turns, who: whoReads(context.caller) };
    const end = await readMessages(request, {
      messages: (some) => void messages.push(...some),
      marks: (some) => {
        for (const mark of some) marks.set(`${mark.partition}-${mark.offset}`, mark);
      },
    });
    return {
      ...end,
      messages: messages.map((each) => ({ ...each, ...marks.get(`${each.partition}-${each.offset}`) })),
    };
  }),
  'GET /api/clusters/:cluster/topics/:topic/messages/:partition/:offset': view(async (input, context) => {
    const cluster = clusterOf(context, input.cluster);
    const look = await lookAtBatch(cluster, input);
    if (look !== undefined && look.batch.marker !== null) return showMarker(input, look);
    using _ = await context.turns.reads.take(whoReads(context.caller));
    const record = await readRecord(cluster, input);
    const [message] = await showRecords([record], { isDetail: true, ...showing(cluster, input.topic) });
    return { ...message!, batch: look?.batch };
  }),
  'GET /api/clusters/:cluster/topics/:topic/exports/:id': view(({ id }, { exports, caller }) =>
    Promise.resolve(exports.progressOf(whoReads(caller), id)),
  ),
  'GET /api/clusters/:cluster/groups': view(async (input, { caller, ...context }) => {
    const { groups, silentBrokers } = await lookAtGroups(clusterOf(context, input.cluster));
    const seen = groups.filter(({ row }) => maySee(caller, 'group', row.group));
    const sees = topicsSeenBy(caller);
    return { silentBrokers, groups: seen.map((look) => rowSeenBy(look, sees)) };
  }),
  'GET /api/clusters/:cluster/groups/:group': view(async (input, { caller, ...context }) =>
    detailSeenBy(await describeGroup(clusterOf(context, input.cluster), input.group), topicsSeenBy(caller)),
  ),
  'GET /api/clusters/:cluster/groups/:group/history': view(async ({ cluster, group, topic, partition }, context) => {
    const place = topic === undefined || partition === undefined ? undefined : { topic, partition };
    // The sums of a group are of all its topics: they are for who may see them all.
    const sees = isAllowed(context.caller, 'viewer') ? undefined : topicsSeenBy(context.caller);
    return watchGroup(clusterOf(context, cluster), group, { place, sees });
  }),
  'GET /api/clusters/:cluster/brokers/:broker/configs': view(async (input, context) => {
    const cluster = clusterOf(context, input.cluster);
    return configsOf(cluster, await brokerResource(cluster, input.broker));
  }),
  'GET /api/clusters/:cluster/log-dirs': view((input, context) => listLogDirs(clusterOf(context, input.cluster))),
  'GET /api/clusters/:cluster/acls': view((input, context) => listAcls(clusterOf(context, input.cluster))),
  'GET /api/clusters/:cluster/users': view((input, context) => listUsers(clusterOf(context, input.cluster))),
  'GET /api/clusters/:cluster/quotas': view((input, context) => listQuotas(clusterOf(context, input.cluster))),
  'GET /api/clusters/:cluster/transactions': view((input, context) =>
    listTransactions(clusterOf(context, input.cluster)),
  ),
  'POST /api/clusters/:cluster/acls': change('admin', async (cluster, { acl }) => {
    await addAcl(cluster, acl);
    return {};
  }),
  'POST /api/clusters/:cluster/acls/delete': change('admin', async (cluster, { acl }) => ({
    deleted: await deleteAcl(cluster, acl),
  })),
  'POST /api/clusters/:cluster/users': change('admin', async (cluster, input) => {
    await setPassword(cluster, input);
    return {};
  }),
  'POST /api/clusters/:cluster/users/delete': change('admin', async ({ admin }, { user, mechanism, confirm }) => {
    confirmed(confirm, user);
    await admin.deleteScramCredentials([{ user, mechanism }]);
    return {};
  }),
  'POST /api/clusters/:cluster/quotas': change('admin', async (cluster, input) => {
    await changeQuotas(cluster, input);
    return {};
  }),
  'POST /api/clusters/:cluster/transactions/abort': change('admin', async ({ admin }, { id, confirm }) => {
    confirmed(confirm, id);
    // The producer that holds it is fenced, so that it cannot go on; what it has written is aborted.
    await admin.fenceProducers([id]);
    return {};
  }),
  'POST /api/clusters/:cluster/topics': change('admin', async ({ admin }, input) => {
    const { topic, partitions, replication, configs, validateOnly } = input;
    await admin.createTopics([{ topic, partitions, replicationFactor: replication, configs }], { validateOnly });
    return { topic };
  }),
  'POST /api/clusters/:cluster/topics/:topic/partitions': change('admin', async ({ admin }, { topic, count }) => {
    await admin.createPartitions([{ topic, count }]);
    return {};
  }),
  'POST /api/clusters/:cluster/topics/:topic/configs': change('admin', async (cluster, { topic, set, unset, seen }) => {
    await changeConfigs(cluster, { type: 'topic', name: topic }, { set, unset, seen });
    return {};
  }),
  'POST /api/clusters/:cluster/topics/:topic/empty': change('admin', async ({ admin }, { topic, confirm }) => {
    confirmed(confirm, topic);
    const [described] = await admin.describeTopics([topic]);
    const places = (described?.partitions ?? []).map(({ partition }) => ({ topic, partition, before: 'all' as const }));
    await admin.deleteRecords(places);
    return {};
  }),
  'POST /api/clusters/:cluster/topics/:topic/delete': change('admin', async ({ admin }, { topic, confirm }) => {
    confirmed(confirm, topic);
    await admin.deleteTopics([topic]);
    return {};
  }),
  'POST /api/clusters/:cluster/topics/:topic/exports/:id/stop': view(({ id }, { exports, caller }) => {
    exports.stop(whoReads(caller), id);
    return Promise.resolve({});
  }),
  'POST /api/clusters/:cluster/topics/:topic/messages': change('editor', async (cluster, input) => {
    const { topic, partition, headers, keySchema, valueSchema } = input;
    const list = headers.map((header) => ({ key: header.name, value: header.value }));
    const key = await bytesBy(cluster, keySchema, input.key);
    const value = await bytesBy(cluster, valueSchema, input.value);
    const { partition: at, offset } = await cluster.producer.send({ topic, key, value, partition, headers: list });
    return { partition: at, offset };
  }),
  'POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy': change(
    'editor',
    async (cluster, input, { turns, caller }) => {
      // Hidden is what has a name: under another one, of a topic or a header, it would be seen.
      const isAsItWas = input.to === input.topic && keepsRecord(input.edits);
      if (!isAsItWas && cluster.maskOf(input.topic) !== undefined) {
        throw refusal('CONSOLE_MASKED', 'masked', { topic: input.topic });
      }
      using _ = await turns.reads.take(whoReads(caller));
      return copyRecord(cluster, input);
    },
  ),
  'POST /api/clusters/:cluster/groups/:group/reset': {
    role: 'viewer',
    run: (input, context) => resetOffsets(clusterOf(context, input.cluster), input),
  },
  'POST /api/clusters/:cluster/groups/:group/forget': change('admin', async ({ admin }, { group, topic }) => {
    const committed = await admin.listGroupOffsets(group);
    const places = committed.filter((place) => place.topic === topic);
    await admin.deleteGroupOffsets(
      group,
      places.map(({ partition }) => ({ topic, partition })),
    );
    return {};
  }),
  'POST /api/clusters/:cluster/groups/:group/delete': change('admin', async ({ admin }, { group, confirm }) => {
    confirmed(confirm, group);
    await admin.deleteGroups([group]);
    return {};
  }),
  'POST /api/clusters/:cluster/brokers/:broker/configs': change(
    'admin',
    async (cluster, { broker, set, unset, seen }) => {
      await changeConfigs(cluster, await brokerResource(cluster, broker), { set, unset, seen });
      return {};
    },
  ),
};
