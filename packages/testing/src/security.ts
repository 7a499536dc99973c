import { pbkdf2Sync, randomBytes } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import type { Broker } from '@millrace/broker';
import type { SaslOptions, SecurityProtocol } from '@millrace/network';
import { TestBrokerError } from './errors.ts';

/** What a rule of a test lets somebody do, as `@millrace/admin` names it. */
export type TestOperation = keyof typeof OPERATIONS;

/** A rule of a test: one of `topic`, `group`, `transactionalId`, `tokensOf`, `delegationToken` and `cluster` says what it is about; `*` is every name. */
export interface TestAcl {
  /** A user by his name; `*` is everybody. */
  readonly user: string;
  readonly operation: TestOperation;
  readonly topic?: string;
  readonly group?: string;
  readonly transactionalId?: string;
  /** The user whose delegation tokens it is about, for `create-tokens` and `describe-tokens`. */
  readonly tokensOf?: string;
  /** The id of a delegation token. */
  readonly delegationToken?: string;
  readonly cluster?: true;
  /** Whether the name is what names begin with. False by default. */
  readonly prefixed?: boolean;
  /** Forbids instead of allowing. False by default. */
  readonly deny?: boolean;
}

/** How a broker for tests is secured. */
export interface TestSecurity {
  /** Users with their passwords. Clients then have to log in, by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. */
  readonly users?: Readonly<Record<string, string>>;
  /** Who may do what; an empty list lets nobody do anything. Needs `users`. Without it everybody may everything. */
  readonly acls?: readonly TestAcl[];
  /** Key and certificate as `node:tls` takes them; clients then have to speak TLS. */
  readonly tls?: TlsOptions;
}

const OPERATIONS = {
  all: 'All',
  read: 'Read',
  write: 'Write',
  create: 'Create',
  delete: 'Delete',
  alter: 'Alter',
  describe: 'Describe',
  'describe-configs': 'DescribeConfigs',
  'alter-configs': 'AlterConfigs',
  'cluster-action': 'ClusterAction',
  'idempotent-write': 'IdempotentWrite',
  'create-tokens': 'CreateTokens',
  'describe-tokens': 'DescribeTokens',
} as const;

/** What rules may allow or forbid. */
export const operationNames: readonly string[] = Object.keys(OPERATIONS);

const MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
const ITERATIONS = 4096;
const SALT_BYTES = 16;

/** Who makes topics in a secured broker, on behalf of the test: nobody else knows his password. */
const TESTER = 'millrace-testing';

/** What a broker's security amounts to. */
export interface SecuredWith {
  readonly protocol: SecurityProtocol;
  readonly config: Readonly<Record<string, string>>;
  /** How the test's own connections log in. */
  readonly login: SaslOptions | undefined;
}

/** @throws TestBrokerError TESTING_INVALID_CONFIG for rules without users */
export function securityOf({ users, acls, tls }: TestSecurity): SecuredWith {
  if (acls !== undefined && users === undefined) {
    throw new TestBrokerError('TESTING_INVALID_CONFIG', 'acls need users: without a login nobody is anybody');
  }
  const transport = tls === undefined ? 'PLAINTEXT' : 'SSL';
  if (users === undefined) return { protocol: transport, config: {}, login: undefined };
  const protocol: SecurityProtocol = `SASL_${transport}`;
  const password = randomBytes(24).toString('base64url');
  const known = Object.entries({ ...users, [TESTER]: password });
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const options = known.map(([user, secret]) => `user_${user}=${quoted(secret)}`).join(' ');
  return {
    protocol,
    login: { mechanism: 'PLAIN', username: TESTER, password },
    config: {
      'sasl.enabled.mechanisms': ['PLAIN', ...MECHANISMS].join(','),
      'connection.failed.authentication.delay.ms': '0',
      [`listener.name.${protocol.toLowerCase()}.plain.sasl.jaas.config`]: `${module} ${options};`,
      ...(acls === undefined
        ? {}
        : {
            'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
            'super.users': `User:${TESTER}`,
          }),
    },
  };
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Gives the users their credentials and makes the rules; once the broker has started. */
export async function applySecurity({ services }: Broker, { users = {}, acls = [] }: TestSecurity): Promise<void> {
  for (const [user, password] of Object.entries(users)) {
    await services.users.setPassword(user, MECHANISMS, (mechanism) => salted(mechanism, password));
  }
  for (const acl of acls) {
    const { pattern, operation, deny = false } = { ...acl, pattern: patternOf(acl) };
    await services.accessRules?.add(pattern, [
      {
        principal: `User:${acl.user}`,
        host: '*',
        operation: OPERATIONS[operation],
        permissionType: deny ? 'Deny' : 'Allow',
      },
    ]);
  }
}

function salted(mechanism: (typeof MECHANISMS)[number], password: string) {
  const salt = randomBytes(SALT_BYTES);
  const isShort = mechanism === 'SCRAM-SHA-256';
  const saltedPassword = pbkdf2Sync(password, salt, ITERATIONS, isShort ? 32 : 64, isShort ? 'sha256' : 'sha512');
  return { salt, saltedPassword, iterations: ITERATIONS };
}

function patternOf(acl: TestAcl) {
  const { topic, group, transactionalId, tokensOf, delegationToken, prefixed = false } = acl;
  const isPrefix = prefixed;
  if (topic !== undefined) return { type: 'Topic', name: topic, isPrefix } as const;
  if (group !== undefined) return { type: 'Group', name: group, isPrefix } as const;
  if (transactionalId !== undefined) return { type: 'TransactionalId', name: transactionalId, isPrefix } as const;
  if (delegationToken !== undefined) return { type: 'DelegationToken', name: delegationToken, isPrefix } as const;
  if (tokensOf !== undefined) {
    return { type: 'User', name: tokensOf === '*' ? tokensOf : `User:${tokensOf}`, isPrefix } as const;
  }
  return { type: 'Cluster', name: 'kafka-cluster', isPrefix: false } as const;
}
