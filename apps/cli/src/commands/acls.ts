import type { Acl, AclFilter, AclOperation, AclResourceType, NewAcl } from '@millrace/admin';
import type { CommandContext } from '../context.ts';
import { usageError } from '../errors.ts';
import { counted, printable } from '../output/format.ts';
import { renderTable } from '../output/table.ts';

/** What rules are about, as options name it. */
export interface AclResourceOptions {
  readonly topic?: readonly string[];
  readonly group?: readonly string[];
  readonly transactionalId?: readonly string[];
  readonly cluster?: boolean;
  readonly user?: readonly string[];
  readonly delegationToken?: readonly string[];
  readonly prefixed?: boolean;
}

export interface AclOptions extends AclResourceOptions {
  readonly principal?: readonly string[];
  readonly host?: readonly string[];
  readonly operation?: readonly string[];
  readonly deny?: boolean;
  readonly producer?: boolean;
  readonly consumer?: boolean;
}

export interface RemoveAclOptions extends AclOptions {
  readonly all?: boolean;
  readonly any?: boolean;
}

type Resource = Pick<NewAcl, 'resourceType' | 'resourceName'>;

/** What can be done with each kind of resource, besides all of it (groups have configs in Kafka 4). */
const OPERATIONS: { readonly [Type in AclResourceType]?: readonly string[] } = {
  topic: ['read', 'write', 'create', 'describe', 'delete', 'alter', 'describe-configs', 'alter-configs'],
  group: ['read', 'describe', 'delete', 'describe-configs', 'alter-configs'],
  'transactional-id': ['write', 'describe'],
  cluster: ['create', 'cluster-action', 'describe', 'alter', 'describe-configs', 'alter-configs', 'idempotent-write'],
  user: ['create-tokens', 'describe-tokens'],
  'delegation-token': ['describe'],
};

const CLUSTER: Resource = { resourceType: 'cluster', resourceName: 'kafka-cluster' };

function resourcesOf(options: AclResourceOptions): Resource[] {
  const named = (resourceType: Resource['resourceType'], names: readonly string[] = []): Resource[] =>
    names.map((resourceName) => ({ resourceType, resourceName }));
  return [
    ...named('topic', options.topic),
    ...named('group', options.group),
    ...named('transactional-id', options.transactionalId),
    ...named('delegation-token', options.delegationToken),
    ...named('user', options.user?.map(ownerOf)),
    ...(options.cluster === true ? [CLUSTER] : []),
  ];
}

export async function addAcls(context: CommandContext, options: AclOptions): Promise<void> {
  const acls = aclsToAdd(options);
  await context.withAdmin(async (admin) => {
    await admin.createAcls(acls);
    await context.out.done(acls, () => acls.map(inWords).join('\n'));
  });
}

function aclsToAdd(options: AclOptions): NewAcl[] {
  const { principal: principals = [], host: hosts = ['*'], operation: operations = [], deny, prefixed } = options;
  const resources = resourcesOf(options);
  if (principals.length === 0) {
    throw usageError('Nobody is named', 'Say who with --principal User:alice, or User:* for everybody.');
  }
  if (resources.length === 0) {
    throw usageError(
      'Nothing is named that the rule is about',
      'Name it with --topic, --group, --transactional-id, --user, --delegation-token or --cluster.',
    );
  }
  const wanted = [
    ...shortcuts(options),
    ...operations.flatMap((operation) => resources.map((each) => ({ ...each, operation }))),
  ];
  if (wanted.length === 0) {
    throw usageError(
      'No operation is named',
      'Say what may be done with --operation read, or use --producer or --consumer.',
    );
  }
  for (const { resourceType, operation } of wanted) checkOperation(resourceType, operation);
  return principals.flatMap((principal) =>
    hosts.flatMap((host) =>
      wanted.map(
        ({ resourceType, resourceName, operation }): NewAcl => ({
          resourceType,
          resourceName,
          patternType: prefixed === true && resourceType !== 'cluster' ? 'prefixed' : 'literal',
          principal: principalOf(principal),
          host,
          // The parser lets no other names through.
          operation: operation as NewAcl['operation'],
          permission: deny === true ? 'deny' : 'allow',
        }),
      ),
    ),
  );
}

/** A rule about what cannot be done with a kind of resource does nothing, and is mostly a slip: refused, as kafka-acls does. */
function checkOperation(resourceType: Resource['resourceType'], operation: string): void {
  const possible = OPERATIONS[resourceType];
  if (possible === undefined || operation === 'all' || possible.includes(operation)) return;
  throw usageError(
    `The operation ${operation} is none that a ${resourceType.replace('-', ' ')} has`,
    `It is one of all, ${possible.join(', ')}.`,
  );
}

/** What producers and consumers need, as kafka-acls has it. */
function shortcuts(options: AclOptions): (Resource & { readonly operation: string })[] {
  const resources = resourcesOf(options);
  const of = (type: AclResourceType, ...operations: string[]) =>
    resources
      .filter(({ resourceType }) => resourceType === type)
      .flatMap((each) => operations.map((operation) => ({ ...each, operation })));
  return [
    ...(options.producer === true
      ? [...of('topic', 'write', 'describe', 'create'), ...of('transactional-id', 'write', 'describe')]
      : []),
    ...(options.consumer === true ? [...of('topic', 'read', 'describe'), ...of('group', 'read')] : []),
  ];
}

/** `alice` means `User:alice`; Kafka knows no other kind. */
function principalOf(text: string): string {
  return text.includes(':') ? text : `User:${text}`;
}

/** Users whose tokens a rule is about are named as principals are; `*` is every one of them. */
function ownerOf(text: string): string {
  return text === '*' ? text : principalOf(text);
}

export async function listAcls(context: CommandContext, options: AclOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const found: Acl[] = [];
    const permission = options.deny === true ? 'deny' : undefined;
    for (const filter of filtersOf(options, permission)) found.push(...(await admin.describeAcls(filter)));
    found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    await context.out.result(found, (paint) => {
      if (found.length === 0) return 'There are no such access rules.';
      return renderTable(
        [
          { header: 'RESOURCE' },
          { header: 'NAME' },
          { header: 'PRINCIPAL' },
          { header: 'HOST' },
          { header: 'OPERATION' },
          { header: 'RULE' },
        ],
        found.map((acl) => [
          acl.resourceType,
          printable(acl.patternType === 'prefixed' ? `${acl.resourceName}...` : acl.resourceName),
          printable(acl.principal),
          printable(acl.host),
          acl.operation,
          acl.permission === 'deny' ? paint.bold('deny') : acl.permission,
        ]),
        paint,
      );
    });
  });
}

function keyOf({ resourceType, resourceName, principal, operation }: Acl): string {
  return [resourceType, resourceName, principal, operation].join('\0');
}

export async function removeAcls(context: CommandContext, options: RemoveAclOptions): Promise<void> {
  const { topic, group, transactionalId, user, delegationToken, cluster, principal } = options;
  const isNarrow = [topic, group, transactionalId, user, delegationToken, cluster, principal].some(
    (each) => each !== undefined,
  );
  if (options.deny === true && options.any === true) {
    throw usageError(
      '--deny and --any together mean two things',
      'Give --deny for rules that forbid alone, --any for both.',
    );
  }
  if (!isNarrow && options.all !== true) {
    throw usageError(
      'This would remove every access rule there is',
      'Narrow it with --topic, --group, --principal and so on, or say --all.',
    );
  }
  // A rule that forbids is not lost by the way: whom it held back would be let in.
  const permission =
    options.deny === true ? 'deny' : options.any === true || options.all === true ? undefined : 'allow';
  await context.withAdmin(async (admin) => {
    const removed: Acl[] = [];
    for (const filter of filtersOf(options, permission)) removed.push(...(await admin.deleteAcls(filter)));
    await context.out.done(removed, () => {
      if (removed.length === 0) {
        const others = permission === 'allow' ? ' What forbids is removed with --deny, or with --any.' : '';
        return `There are no such access rules; nothing was removed.${others}`;
      }
      return `${counted(removed.length, 'access rule')} removed:\n${removed.map(inWords).join('\n')}`;
    });
  });
}

/** One filter for each resource, principal, host and operation that is named; what is not named may be anything. */
function filtersOf(options: AclOptions, permission: AclFilter['permission']): AclFilter[] {
  const {
    principal: principals = [undefined],
    host: hosts = [undefined],
    operation: operations = [undefined],
  } = options;
  const resources: (Partial<Resource> | undefined)[] = resourcesOf(options);
  if (resources.length === 0) resources.push(undefined);
  const patternType = options.prefixed === true ? 'prefixed' : resources[0] === undefined ? 'any' : 'literal';
  return resources.flatMap((resource) =>
    principals.flatMap((principal) =>
      hosts.flatMap((host) =>
        operations.map(
          (operation): AclFilter => ({
            ...resource,
            patternType,
            principal: principal === undefined ? undefined : principalOf(principal),
            host,
            operation: operation as AclOperation | undefined,
            permission,
          }),
        ),
      ),
    ),
  );
}

function inWords(acl: NewAcl | Acl): string {
  const { resourceType, resourceName, patternType, principal, host = '*', operation, permission } = acl;
  const may = permission === 'deny' ? 'may not' : 'may';
  const what =
    patternType === 'prefixed' ? `${resourceType}s that begin with ${resourceName}` : `${resourceType} ${resourceName}`;
  return printable(`${principal} ${may} ${operation} ${what}${host === '*' ? '' : ` from ${host}`}`);
}
