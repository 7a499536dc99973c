/** Kafka's own command-line tools for users, rules, quotas and tokens, as administrators of a secured cluster use them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KAFKA_3, KAFKA_4, kafkaTool } from '../../kafka/index.ts';
import { expectSuccess } from '../expect-success.ts';
import { type Case, expectMatch, runCases } from '../report.ts';
import { PASSWORDS, type SecuredTarget, startSecuredTarget } from './secured-target.ts';

type NamedCase = readonly [string, () => Promise<string | undefined>];
type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** Who runs a tool: the file of settings that he gives it. */
interface Actor {
  readonly file: string;
}

interface RunOptions {
  /** The option that names the file of settings. */
  readonly option?: string;
  readonly input?: string;
}

const READ_MS = '20000';

/** Runs the tools of both versions against a secured broker, and returns how many cases failed. */
export async function runSecurityTools(wanted: string | undefined, only: readonly string[]): Promise<number> {
  const target = await startSecuredTarget(wanted);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-security-tools-'));
  try {
    console.log(`target: ${target.name}`);
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      const title = `Security tools of Apache Kafka ${version}`;
      const isTitle = only.length === 0 || only.some((part) => title.includes(part));
      const cases = new SecurityTools(target, version, folder).cases();
      // What is named is a version, or cases that stand on no others.
      const wantedCases = cases.filter(({ name }) => isTitle || only.some((part) => name.includes(part)));
      if (wantedCases.length > 0) failed += await runCases(title, wantedCases);
    }
    return failed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await target.stop();
  }
}

class SecurityTools {
  readonly #target: SecuredTarget;
  readonly #version: string;
  readonly #folder: string;
  readonly #admin: Actor;
  /** Made, given rights and taken away by the cases. */
  readonly #user: string;
  readonly #topic: string;
  readonly #group: string;

  constructor(target: SecuredTarget, version: string, folder: string) {
    this.#target = target;
    this.#version = version;
    this.#folder = folder;
    this.#admin = this.#actor('admin', 'PLAIN', PASSWORDS.admin);
    const id = version.replaceAll('.', '-');
    this.#user = `carol-${id}`;
    this.#topic = `tools-${id}`;
    this.#group = `tools-group-${id}`;
  }

  /** In the order in which they build on each other. */
  cases(): Case[] {
    const all = [
      ...this.#users(),
      ...this.#rules(),
      ...this.#refusals(),
      ...this.#quotas(),
      ...this.#tokens(),
      ...this.#certificates(),
    ];
    return all.map(([name, run]) => ({ name, run }));
  }

  /** @param more - Further options of the login module */
  #actor(user: string, mechanism: Mechanism, password: string, more = ''): Actor {
    const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule';
    const jaas = `org.apache.kafka.common.security.${module} required username="${user}" password="${password}"${more};`;
    const settings = {
      'security.protocol': 'SASL_SSL',
      'sasl.mechanism': mechanism,
      'sasl.jaas.config': jaas,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': this.#target.certificates.authority,
    };
    const file = join(mkdtempSync(join(this.#folder, 'actor-')), 'client.properties');
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(file, lines.join(''), { mode: 0o600 });
    return { file };
  }

  #run(
    actor: Actor,
    tool: string,
    args: readonly string[],
    { option = '--command-config', input = '' }: RunOptions = {},
  ) {
    const bootstrap = this.#target.bootstrap('SASL_SSL');
    const all = ['--bootstrap-server', bootstrap, option, actor.file, ...args];
    return kafkaTool(tool, all, { version: this.#version, input });
  }

  async #does(actor: Actor, tool: string, args: readonly string[], options?: RunOptions): Promise<string> {
    return expectSuccess(tool, args, await this.#run(actor, tool, args, options));
  }

  /** Some tools end with 0 though what they were asked for was refused, so that their words count. */
  async #isRefused(
    actor: Actor,
    tool: string,
    args: readonly string[],
    why: RegExp,
    options?: RunOptions,
  ): Promise<void> {
    const { stdout, stderr } = await this.#run(actor, tool, args, options);
    expectMatch(`${stdout}${stderr}`, why);
  }

  #users(): NamedCase[] {
    const entity = ['--entity-type', 'users', '--entity-name', this.#user];
    const list = ['--list'];
    return [
      [
        'kafka-configs gives a user a password, for one mechanism and the other',
        async () => {
          const added = ['--add-config', 'SCRAM-SHA-256=[iterations=8192,password=carol-pw]'];
          await this.#does(this.#admin, 'kafka-configs', ['--alter', ...entity, ...added]);
          await this.#does(this.#admin, 'kafka-configs', [
            '--alter',
            ...entity,
            '--add-config',
            'SCRAM-SHA-512=[password=other-pw]',
          ]);
          const described = await this.#does(this.#admin, 'kafka-configs', ['--describe', ...entity]);
          expectMatch(described, /SCRAM-SHA-256=iterations=8192/);
          expectMatch(described, /SCRAM-SHA-512=iterations=4096/);
          await this.#does(this.#actor(this.#user, 'SCRAM-SHA-256', 'carol-pw'), 'kafka-topics', list);
          await this.#does(this.#actor(this.#user, 'SCRAM-SHA-512', 'other-pw'), 'kafka-topics', list);
          return undefined;
        },
      ],
      [
        'a wrong password, and one of the other mechanism, are refused at once',
        async () => {
          const why = /SaslAuthenticationException.*invalid credentials with SASL mechanism SCRAM-SHA-256/;
          await this.#isRefused(this.#actor(this.#user, 'SCRAM-SHA-256', 'other-pw'), 'kafka-topics', list, why);
          await this.#isRefused(this.#actor('nobody', 'SCRAM-SHA-256', 'carol-pw'), 'kafka-topics', list, why);
          return undefined;
        },
      ],
      [
        'kafka-configs takes a password away',
        async () => {
          await this.#does(this.#admin, 'kafka-configs', ['--alter', ...entity, '--delete-config', 'SCRAM-SHA-512']);
          const gone = this.#actor(this.#user, 'SCRAM-SHA-512', 'other-pw');
          await this.#isRefused(gone, 'kafka-topics', list, /SaslAuthenticationException/);
          const described = await this.#does(this.#admin, 'kafka-configs', ['--describe', ...entity]);
          expectMatch(described, /^(?![\s\S]*SCRAM-SHA-512)[\s\S]*SCRAM-SHA-256/);
          return undefined;
        },
      ],
    ];
  }

  get #carol(): Actor {
    return this.#actor(this.#user, 'SCRAM-SHA-256', 'carol-pw');
  }

  #acls(...args: string[]): Promise<string> {
    return this.#does(this.#admin, 'kafka-acls', args);
  }

  /** Writes a record as the user. */
  #produce(expected?: RegExp): Promise<unknown> {
    const [tool, args] = ['kafka-console-producer', ['--topic', this.#topic]] as const;
    const options = { option: '--producer.config', input: 'a record\n' };
    if (expected !== undefined) return this.#isRefused(this.#carol, tool, args, expected, options);
    return this.#does(this.#carol, tool, args, options);
  }

  #rules(): NamedCase[] {
    const principal = `User:${this.#user}`;
    const ofTopic = ['--topic', this.#topic];
    const consume = [
      ...ofTopic,
      '--group',
      `${this.#group}-1`,
      '--from-beginning',
      '--max-messages',
      '1',
      '--timeout-ms',
      READ_MS,
    ];
    return [
      [
        'who has no right sees no topic, and may change no rule',
        async () => {
          await this.#does(this.#admin, 'kafka-topics', ['--create', ...ofTopic]);
          expectMatch(
            await this.#does(this.#carol, 'kafka-topics', ['--list']),
            new RegExp(`^(?![\\s\\S]*${this.#topic})`),
          );
          const add = ['--add', '--allow-principal', principal, '--operation', 'All', ...ofTopic];
          await this.#isRefused(this.#carol, 'kafka-acls', add, /ClusterAuthorizationException|authorization failed/i);
          await this.#produce(/(Topic|Cluster)AuthorizationException|Not authorized to access topics/);
          return undefined;
        },
      ],
      [
        'kafka-acls --producer lets write, as --list shows',
        async () => {
          await this.#acls('--add', '--producer', '--allow-principal', principal, ...ofTopic);
          const listed = await this.#acls('--list', ...ofTopic);
          expectMatch(listed, new RegExp(`name=${this.#topic}, patternType=LITERAL`));
          for (const operation of ['WRITE', 'DESCRIBE', 'CREATE']) {
            expectMatch(
              listed,
              new RegExp(`principal=${principal}, host=\\*, operation=${operation}, permissionType=ALLOW`),
            );
          }
          await this.#produce();
          expectMatch(await this.#does(this.#carol, 'kafka-topics', ['--list']), new RegExp(`^${this.#topic}$`, 'm'));
          return undefined;
        },
      ],
      [
        'kafka-acls --consumer with a prefix lets read',
        async () => {
          const read = { option: '--consumer.config' };
          const refused = /GroupAuthorizationException|TopicAuthorizationException|Not authorized to access/;
          await this.#isRefused(this.#carol, 'kafka-console-consumer', consume, refused, read);
          await this.#acls(
            ...['--add', '--consumer', '--allow-principal', principal, '--topic', 'tools-', '--group', 'tools-'],
            ...['--resource-pattern-type', 'prefixed'],
          );
          expectMatch(await this.#does(this.#carol, 'kafka-console-consumer', consume, read), /^a record$/m);
          const matching = await this.#acls('--list', ...ofTopic, '--resource-pattern-type', 'match');
          expectMatch(matching, /name=tools-, patternType=PREFIXED/);
          expectMatch(matching, /patternType=LITERAL/);
          return undefined;
        },
      ],
    ];
  }

  #refusals(): NamedCase[] {
    const principal = `User:${this.#user}`;
    const ofTopic = ['--topic', this.#topic];
    return [
      [
        'a rule that denies at an address goes before those that allow',
        async () => {
          const denied = [
            '--deny-principal',
            principal,
            '--deny-host',
            '127.0.0.1',
            '--operation',
            'Write',
            ...ofTopic,
          ];
          await this.#acls('--add', ...denied);
          await this.#produce(/(Topic|Cluster)AuthorizationException|Not authorized to access topics/);
          await this.#acls('--remove', '--force', ...denied);
          await this.#produce();
          return undefined;
        },
      ],
      [
        'kafka-acls --remove takes all of a resource away',
        async () => {
          await this.#acls('--remove', '--force', ...ofTopic);
          expectMatch(await this.#acls('--list', ...ofTopic), /^(?![\s\S]*principal=)/);
          await this.#produce(/(Topic|Cluster)AuthorizationException|Not authorized to access topics/);
          await this.#acls(
            '--remove',
            '--force',
            '--topic',
            'tools-',
            '--group',
            'tools-',
            '--resource-pattern-type',
            'prefixed',
          );
          expectMatch(await this.#acls('--list', '--principal', principal), /^(?![\s\S]*principal=)/);
          return undefined;
        },
      ],
    ];
  }

  /** Sets a quota, looks for it, and takes it back. */
  async #quota(entity: readonly string[], name: string, value: number): Promise<undefined> {
    await this.#does(this.#admin, 'kafka-configs', ['--alter', ...entity, '--add-config', `${name}=${value}`]);
    const seen = (): Promise<string> => this.#does(this.#admin, 'kafka-configs', ['--describe', ...entity]);
    expectMatch(await seen(), new RegExp(`[Qq]uota.*${name}=${value}`));
    await this.#does(this.#admin, 'kafka-configs', ['--alter', ...entity, '--delete-config', name]);
    expectMatch(await seen(), new RegExp(`^(?![\\s\\S]*${name}=)`));
    return undefined;
  }

  #quotas(): NamedCase[] {
    const user = ['--entity-type', 'users', '--entity-name', this.#user];
    const client = ['--entity-type', 'clients', '--entity-name', 'app'];
    return [
      ['kafka-configs: quota of a user', () => this.#quota(user, 'producer_byte_rate', 1_048_576)],
      [
        'kafka-configs: quota of a client of a user',
        () => this.#quota([...user, ...client], 'consumer_byte_rate', 2_097_152),
      ],
      ['kafka-configs: quota of a client', () => this.#quota(client, 'request_percentage', 50)],
      [
        'kafka-configs: quota of all users',
        () => this.#quota(['--entity-type', 'users', '--entity-default'], 'controller_mutation_rate', 10),
      ],
      [
        'kafka-configs: quota of all clients',
        () => this.#quota(['--client-defaults'], 'producer_byte_rate', 1_048_576),
      ],
      ['kafka-configs: quota of an address', () => this.#quota(['--ip', '10.0.0.9'], 'connection_creation_rate', 5)],
      ['kafka-configs: quota of all addresses', () => this.#quota(['--ip-defaults'], 'connection_creation_rate', 500)],
    ];
  }

  #tokens(): NamedCase[] {
    let [id, hmac] = ['', ''];
    const owner = `User:${this.#user}`;
    const tool = (actor: Actor, ...args: string[]): Promise<string> =>
      this.#does(actor, 'kafka-delegation-tokens', args);
    return [
      [
        'kafka-delegation-tokens --create and --describe',
        async () => {
          const made = await tool(
            this.#carol,
            '--create',
            '--max-life-time-period',
            '-1',
            '--renewer-principal',
            'User:alice',
          );
          [, id = '', hmac = ''] = /([\w-]{22})\s+([A-Za-z0-9+/]{86}==)\s+User:carol/.exec(made) ?? [];
          if (hmac === '') throw new Error(`there is no token in:\n${made}`);
          expectMatch(
            await tool(this.#carol, '--describe', '--owner-principal', owner),
            new RegExp(`${id}\\s.*${owner}\\s.*User:alice`),
          );
          return undefined;
        },
      ],
      [
        'a token logs in as its owner, and makes no other',
        async () => {
          const token = this.#actor(id, 'SCRAM-SHA-256', hmac, ' tokenauth="true"');
          await this.#does(token, 'kafka-topics', ['--list']);
          const make = ['--create', '--max-life-time-period', '-1'];
          await this.#isRefused(
            token,
            'kafka-delegation-tokens',
            make,
            /DelegationTokenDisabled|not allowed|DelegationToken/i,
          );
          return undefined;
        },
      ],
      [
        'its renewer renews it, and nobody else does',
        async () => {
          const renew = ['--renew', '--renew-time-period', '3600000', '--hmac', hmac];
          expectMatch(
            await tool(this.#actor('alice', 'SCRAM-SHA-256', PASSWORDS.alice), ...renew),
            /renewal|expiry|Completed/i,
          );
          await this.#isRefused(
            this.#admin,
            'kafka-delegation-tokens',
            renew,
            /DelegationTokenOwnerMismatchException|owner/i,
          );
          return undefined;
        },
      ],
      [
        'kafka-delegation-tokens --expire ends it at once',
        async () => {
          await tool(this.#carol, '--expire', '--expiry-time-period', '-1', '--hmac', hmac);
          const token = this.#actor(id, 'SCRAM-SHA-256', hmac, ' tokenauth="true"');
          await this.#isRefused(token, 'kafka-topics', ['--list'], /SaslAuthenticationException/);
          return undefined;
        },
      ],
    ];
  }

  #certificates(): NamedCase[] {
    const entity = ['--entity-type', 'brokers', '--entity-name', '1'];
    const [location, password] = ['keystore.location', 'key.password'].map((each) => `listener.name.ssl.ssl.${each}`);
    return [
      [
        'kafka-configs has a listener take a key that is encrypted, and tells nobody its password',
        async () => {
          const { key, certificate } = this.#target.certificates.broker;
          // Java 17 reads keys that are encrypted in this old way alone; ours reads those of today too.
          const old = ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-3DES', '-in', key, '-passout', 'pass:hidden-pw'];
          const locked = execFileSync('openssl', old, { encoding: 'utf8', stdio: 'pipe' });
          const file = join(this.#folder, 'locked.pem');
          writeFileSync(file, `${locked}${readFileSync(certificate, 'utf8')}`, { mode: 0o600 });
          const alter = (...args: string[]): Promise<string> =>
            this.#does(this.#admin, 'kafka-configs', ['--alter', ...entity, ...args]);
          await alter('--add-config', `${location}=${file},${password}=hidden-pw`);
          const described = await this.#does(this.#admin, 'kafka-configs', ['--describe', ...entity]);
          expectMatch(described, /ssl\.key\.password=null sensitive=true/);
          expectMatch(described, /^(?![\s\S]*hidden-pw)/);
          await alter('--delete-config', `${location},${password}`);
          return undefined;
        },
      ],
    ];
  }
}
