import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { KafkaClient, OperationOptions } from '@millrace/client';
import { faultOf, oneOf, required, someText, wholeNumber } from '@millrace/client/internal';
import { AlterUserScramCredentials, DescribeUserScramCredentials, ErrorCode } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';

const deriveKey = promisify(pbkdf2);

/** How users can log in whose passwords the cluster keeps the proofs of. */
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** A user's credentials as the cluster tells of them: never the salt, the keys or the password. */
export interface ScramUser {
  readonly user: string;
  readonly credentials: readonly { readonly mechanism: ScramMechanism; readonly iterations: number }[];
}

/** A password to give a user. It does not leave this process: the cluster gets its salted hash. */
export interface NewScramPassword {
  readonly user: string;
  readonly mechanism: ScramMechanism;
  readonly password: string;
  /** How often it is hashed, 4096 to 16384; 8192 by default. */
  readonly iterations?: number | undefined;
}

/** Credentials to take away. */
export interface ScramDeletion {
  readonly user: string;
  readonly mechanism: ScramMechanism;
}

const CODES: Readonly<Record<ScramMechanism, number>> = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 };
const ITERATIONS = 8192;
const SALT_BYTES = 24;

const mechanism = required(oneOf('SCRAM-SHA-256', 'SCRAM-SHA-512'));
const passwordShape = {
  noun: 'field of a new password',
  fields: { user: required(someText), mechanism, password: required(someText), iterations: wholeNumber(4096, 16_384) },
};
const deletionShape = { noun: 'field of a deletion', fields: { user: required(someText), mechanism } };

/** Checks one new password; see `arguments.ts`. */
export function newScramPassword(item: unknown, place: string): string | undefined {
  return faultOf(item, passwordShape, place);
}

/** Checks one deletion; see `arguments.ts`. */
export function scramDeletion(item: unknown, place: string): string | undefined {
  return faultOf(item, deletionShape, place);
}

export async function describeScramUsers(
  client: KafkaClient,
  users: readonly string[] | 'all',
  options: OperationOptions,
): Promise<ScramUser[]> {
  const body = { users: users === 'all' ? null : users.map((name) => ({ name })) };
  const { results } = await client.sendToAnyBroker(DescribeUserScramCredentials, body, options);
  const failures = new ItemFailures('Describe users');
  const found: ScramUser[] = [];
  for (const { user, errorCode, errorMessage, credentialInfos } of results) {
    if (!failures.add(user, failureOf(errorCode, `Describe user ${user}`, errorMessage))) continue;
    const credentials = credentialInfos.flatMap(({ mechanism: code, iterations }) => {
      const name = (Object.keys(CODES) as ScramMechanism[]).find((each) => CODES[each] === code);
      return name === undefined ? [] : [{ mechanism: name, iterations }];
    });
    found.push({ user, credentials });
  }
  failures.throwIfAny();
  return found;
}

export async function alterScramUsers(
  client: KafkaClient,
  passwords: readonly NewScramPassword[],
  deletions: readonly ScramDeletion[],
  options: OperationOptions,
): Promise<void> {
  if (passwords.length === 0 && deletions.length === 0) return;
  const upsertions = await Promise.all(passwords.map(upsertionOf));
  const body = {
    deletions: deletions.map(({ user: name, mechanism: each }) => ({ name, mechanism: CODES[each] })),
    upsertions,
  };
  const { results } = await client.sendToController(AlterUserScramCredentials, body, options);
  const failures = new ItemFailures('Alter users');
  for (const { user, errorCode, errorMessage } of results) {
    failures.add(
      user,
      errorCode === ErrorCode.NONE ? undefined : failureOf(errorCode, `Alter user ${user}`, errorMessage),
    );
  }
  failures.throwIfAny();
}

/** PBKDF2 runs beside the event loop, so that many users hold nothing up. */
async function upsertionOf({ user, mechanism: each, password, iterations = ITERATIONS }: NewScramPassword) {
  const salt = randomBytes(SALT_BYTES);
  const [bytes, hash] = each === 'SCRAM-SHA-256' ? [32, 'sha256'] : [64, 'sha512'];
  const saltedPassword = await deriveKey(password, salt, iterations, bytes as number, hash as string);
  return { name: user, mechanism: CODES[each], iterations, salt, saltedPassword };
}
