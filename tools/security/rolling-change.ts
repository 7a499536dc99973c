/**
 * A cluster that goes from open to secured while clients write: three brokers, restarted one after the other, phase after phase, as Kafka's
 * upgrade notes have it (`security_rolling_upgrade_test`). Then everything that is secret changes: the authority of the certificates, the
 * password of the client, and who the brokers are to each other. No send may fail, and nobody gets in with what was good before.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, type NewAcl } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import {
  type ClientUser,
  type Phase,
  RollingCluster,
  type RollingWorld,
  SecuredProcesses,
  TOPIC,
} from './rolling-cluster.ts';

const GROUP = 'reader';
const PAUSE_MS = 10;
const READ_MS_MAX = 60_000;
/** How long writers go on between two changes. */
const BETWEEN_MS = 500;

/** The errors of those who are refused: by rules, as untrusted, and at their login. */
const NOT_ALLOWED = 'KAFKA_TOPIC_AUTHORIZATION_FAILED';
const NOT_TRUSTED = 'KAFKA_INVALID_REQUEST';
const NOT_KNOWN = 'NETWORK_AUTHENTICATION_FAILED';

const OPEN: Phase = { name: 'open', listeners: ['plain'], between: 'plain' };
const BESIDE: Phase = { name: 'a secured listener beside it', listeners: ['plain', 'secure'], between: 'plain' };
const OVER_IT: Phase = { name: 'brokers speak over it', listeners: ['plain', 'secure'], between: 'secure' };
const SECURED = { listeners: ['secure'], between: 'secure' } as const;
const ASKED: Phase = { ...SECURED, name: 'the open listener is gone, and rules are asked', rights: 'asked' };
const DEMANDED: Phase = {
  ...SECURED,
  name: 'without a rule nobody does anything; the brokers have a new password beside the old one',
  rights: 'demanded',
  users: ['broker', 'new-broker'],
};
const NEW_LOGIN: Phase = { ...DEMANDED, name: 'the brokers log in with the new password', login: 'new-broker' };
const NEW_ALONE: Phase = { ...NEW_LOGIN, name: 'the old password is gone', users: ['new-broker'] };

/** What the change has done to clients. */
export interface RollingReport {
  readonly sent: number;
  readonly failed: readonly string[];
  /** The longest that one send has waited. */
  readonly longestMs: number;
  /** Acknowledged, and not read in the end. */
  readonly lost: number;
  /** What was let in, and should not have been. */
  readonly letIn: readonly string[];
  /** What failed for another reason than that it was refused, and so says nothing of whether it would have been. */
  readonly unclear: readonly string[];
  readonly seconds: number;
}

/** The writers' user, whose password changes under it. */
class ChangingUser implements ClientUser {
  readonly username = 'client';
  #password = 'client-pw';
  readonly password = (): string => this.#password;

  /** Tells the cluster first, and then whoever logs in. */
  async change(admin: Admin, password: string): Promise<void> {
    await admin.setScramPasswords([{ user: this.username, mechanism: 'SCRAM-SHA-512', password }]);
    this.#password = password;
  }
}

/**
 * Secures a cluster step by step.
 *
 * @param openWorld - Where the brokers run; what it makes lies in the folder that it is given
 * @throws Error where the cluster does not get in sync again
 */
export async function changeRolling(
  print: (line: string) => void,
  openWorld: (folder: string) => Promise<RollingWorld> = SecuredProcesses.open,
  betweenMs: number = BETWEEN_MS,
): Promise<RollingReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rolling-'));
  const beganMs = performance.now();
  try {
    const cluster = await RollingCluster.open(folder, await openWorld(folder));
    const change = new RollingChange(cluster, print, betweenMs);
    try {
      await change.secure();
      await change.changeSecrets();
      return { ...(await change.report()), seconds: (performance.now() - beganMs) / 1000 };
    } finally {
      await change.stop();
      await cluster.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class RollingChange {
  readonly #cluster: RollingCluster;
  readonly #print: (line: string) => void;
  readonly #betweenMs: number;
  readonly #user = new ChangingUser();
  readonly #writers: Writer[] = [];
  readonly #letIn: string[] = [];
  readonly #unclear: string[] = [];

  constructor(cluster: RollingCluster, print: (line: string) => void, betweenMs: number) {
    this.#cluster = cluster;
    this.#print = print;
    this.#betweenMs = betweenMs;
  }

  /** From a cluster that is open to one that is closed. */
  async secure(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.start(OPEN);
    await cluster.createTopic(OPEN);
    await using admin = new Admin(cluster.administrator(OPEN));
    await this.#user.change(admin, this.#user.password());
    const plain = new Writer('plain', cluster.client('plain'));
    this.#writers.push(plain);
    await this.#tell(OPEN);
    await this.#roll(BESIDE);
    this.#writers.push(new Writer('secure', cluster.client('secure', this.#user)));
    await this.#roll(OVER_IT);
    // Who still speaks in the open goes over before the listener goes.
    await plain.stop();
    await admin.close();
    await this.#roll(ASKED);
    await this.#makeRules();
    await this.#roll(DEMANDED);
    await this.#refuses('somebody under no rule', NOT_ALLOWED, async () => {
      await using stranger = new Producer(await this.#stranger());
      await stranger.send({ topic: TOPIC, value: 'not allowed' });
    });
  }

  /** Of a closed cluster: the authority, the client's password, and the brokers'. */
  async changeSecrets(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.changeAuthority(this.#print);
    await this.#refuses('a certificate of the authority that was', NOT_TRUSTED, () => cluster.showFirst());
    const before = this.#user.password();
    await using admin = new Admin(cluster.administrator(DEMANDED));
    await this.#user.change(admin, 'a new client-pw');
    this.#print('the client has a new password');
    await this.#refuses('the old password of the client', NOT_KNOWN, async () => {
      await using late = new Admin(cluster.client('secure', { username: this.#user.username, password: () => before }));
      await late.listTopics();
    });
    await this.#roll(NEW_LOGIN);
    await this.#roll(NEW_ALONE);
    await this.#refuses('the old password of the brokers', NOT_KNOWN, async () => {
      const sasl = { mechanism: 'PLAIN', username: 'broker', password: 'broker-pw' } as const;
      await using late = new Admin({ ...cluster.client('secure'), sasl });
      await late.listTopics();
    });
  }

  /** Reads everything with what is good in the end. */
  async report(): Promise<Omit<RollingReport, 'seconds'>> {
    await this.stop();
    const writers = this.#writers;
    const reader = this.#cluster.trustingSecond(this.#cluster.client('secure', this.#user));
    const values = await readAll(reader, writers);
    return {
      sent: writers.reduce((sum, { sent }) => sum + sent, 0),
      failed: writers.flatMap(({ failed }) => failed),
      longestMs: Math.max(...writers.map(({ longestMs }) => longestMs)),
      lost: writers.flatMap(({ acknowledged }) => acknowledged).filter((value) => !values.has(value)).length,
      letIn: this.#letIn,
      unclear: this.#unclear,
    };
  }

  async stop(): Promise<void> {
    for (const writer of this.#writers) await writer.stop();
  }

  async #roll(phase: Phase): Promise<void> {
    await this.#cluster.roll(phase);
    await this.#tell(phase);
  }

  async #tell({ name }: Phase): Promise<void> {
    await sleep(this.#betweenMs);
    this.#print(`${name}; ${this.#writers.reduce((sum, { sent }) => sum + sent, 0)} sends so far`);
  }

  async #makeRules(): Promise<void> {
    await using admin = new Admin(this.#cluster.administrator(ASKED));
    const rule = (resourceType: 'topic' | 'group', resourceName: string, operation: 'read' | 'write'): NewAcl => ({
      principal: `User:${this.#user.username}`,
      permission: 'allow',
      resourceType,
      resourceName,
      operation,
    });
    await admin.createAcls([rule('topic', TOPIC, 'write'), rule('topic', TOPIC, 'read'), rule('group', GROUP, 'read')]);
    this.#print('the client may write to the topic and read it, and nobody else');
  }

  /** A user with a password and without rights. */
  async #stranger(): Promise<ClientOptions> {
    await using admin = new Admin(this.#cluster.administrator(DEMANDED));
    await admin.setScramPasswords([{ user: 'stranger', mechanism: 'SCRAM-SHA-512', password: 'stranger-pw' }]);
    return this.#cluster.client('secure', { username: 'stranger', password: () => 'stranger-pw' });
  }

  async #refuses(who: string, code: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.#letIn.push(who);
      this.#print(`LET IN: ${who}`);
    } catch (error) {
      const told = error instanceof Error ? error : new Error(String(error));
      const found = (told as { readonly code?: unknown }).code;
      if (found !== code) this.#unclear.push(`${who}: ${String(found)} instead of ${code}: ${told.message}`);
      this.#print(`${found === code ? 'refused' : 'UNCLEAR'}: ${who}: ${told.message}`);
    }
  }
}

/** Sends one record after the other until it is stopped. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failed: string[] = [];
  sent = 0;
  longestMs = 0;
  readonly #producer: Producer;
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(name: string, client: ClientOptions) {
    this.#producer = new Producer(client);
    this.#done = this.#run(name);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(name: string): Promise<void> {
    while (!this.#isStopped) {
      const value = `${name} ${this.sent}`;
      this.sent += 1;
      const beganMs = performance.now();
      try {
        await this.#producer.send({ topic: TOPIC, value });
        this.acknowledged.push(value);
      } catch (error) {
        this.failed.push(error instanceof Error ? error.message : String(error));
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - beganMs);
      await sleep(PAUSE_MS);
    }
    await this.#producer.close();
  }
}

async function readAll(client: ClientOptions, writers: readonly Writer[]): Promise<ReadonlySet<string>> {
  const count = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const values = new Set<string>();
  await using consumer = new Consumer({ ...client, groupId: GROUP, autoOffsetReset: 'earliest' });
  consumer.subscribe(TOPIC);
  const late = setTimeout(() => void consumer.close(), READ_MS_MAX);
  for await (const { value } of consumer) {
    values.add(String(value));
    if (values.size >= count) break;
  }
  clearTimeout(late);
  return values;
}
