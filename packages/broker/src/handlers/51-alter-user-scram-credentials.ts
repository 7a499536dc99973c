/**
 * AlterUserScramCredentials: gives users SCRAM credentials and takes them away (KIP-554). The request brings the salted password; what
 * is kept lets nobody log in.
 *
 * - Only the controller writes: others answer NOT_CONTROLLER. A user comes once for each mechanism.
 * - An empty salt or salted password is UNACCEPTABLE_CREDENTIAL here; Kafka 3.9 stores the one, and fails in itself on the other.
 * - So is a name by which nobody is let in here. Kafka keeps it, and lets in who has control characters in his.
 */
import {
  AlterUserScramCredentials,
  type AlterUserScramCredentialsRequest,
  ErrorCode,
  type AlterUserScramCredentialsRequestUpsertion as Upsertion,
} from '@millrace/protocol';
import { named } from '../security/acl.ts';
import { credentialOf, ITERATIONS_MAX, ITERATIONS_MIN, SCRAM_CODES } from '../security/login/scram-credential.ts';
import { faultOfName } from '../security/login/user-names.ts';
import type { CredentialChange } from '../security/user-credentials.ts';
import { type ApiError, apiError, NO_ERROR } from '../shared/api-error.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** All that a request wants of one user. */
interface Wanted {
  readonly changes: CredentialChange[];
  readonly seen: Set<number>;
  fault: ApiError;
}

export const alterUserScramCredentials = defineHandler(
  AlterUserScramCredentials,
  { minVersion: 0, maxVersion: 0 },
  async (request, context) => {
    const refusal = refusalOfAll(context);
    const byUser = wantedByUser(request, context);
    const results = [];
    for (const [user, wanted] of byUser) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      const outcome =
        refusal ?? (wanted.fault.errorCode === ErrorCode.NONE ? await change(user, wanted, context) : wanted.fault);
      results.push({ user, ...outcome });
    }
    return { results };
  },
);

function refusalOfAll(context: RequestContext): ApiError | undefined {
  if (!context.broker.controller.isActive) return apiError(ErrorCode.NOT_CONTROLLER);
  return context.authorize('Alter', CLUSTER);
}

function wantedByUser(
  { deletions, upsertions }: AlterUserScramCredentialsRequest,
  { broker }: RequestContext,
): Map<string, Wanted> {
  const users = new Map<string, Wanted>();
  const take = (user: string, code: number, fault: ApiError, change: CredentialChange | undefined): void => {
    let wanted = users.get(user);
    if (wanted === undefined) {
      wanted = { changes: [], seen: new Set(), fault: NO_ERROR };
      users.set(user, wanted);
    }
    const isRepeated = wanted.seen.has(code);
    wanted.seen.add(code);
    if (isRepeated) {
      wanted.fault = apiError(
        ErrorCode.DUPLICATE_RESOURCE,
        'A user credential cannot be altered twice in the same request',
      );
    } else if (wanted.fault.errorCode === ErrorCode.NONE) {
      wanted.fault = fault;
    }
    if (change !== undefined) wanted.changes.push(change);
  };
  for (const { name, mechanism: code } of deletions) {
    const mechanism = named(SCRAM_CODES, code);
    const isThere = mechanism !== undefined && broker.users.find(name, mechanism) !== undefined;
    const fault = isThere ? NO_ERROR : missing(name, mechanism !== undefined);
    take(name, code, fault, mechanism === undefined ? undefined : { mechanism, credential: undefined });
  }
  for (const upsertion of upsertions) {
    const mechanism = named(SCRAM_CODES, upsertion.mechanism);
    const fault = faultOf(upsertion);
    const credential = mechanism === undefined || fault !== NO_ERROR ? undefined : credentialOf(mechanism, upsertion);
    take(upsertion.name, upsertion.mechanism, fault, mechanism === undefined ? undefined : { mechanism, credential });
  }
  return users;
}

function missing(name: string, isKnownMechanism: boolean): ApiError {
  if (name === '') return apiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, 'Username must not be empty');
  return isKnownMechanism
    ? apiError(ErrorCode.RESOURCE_NOT_FOUND, 'Attempt to delete a user credential that does not exist')
    : apiError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism');
}

function faultOf({ name, mechanism, iterations, salt, saltedPassword }: Upsertion): ApiError {
  const refuse = (message: string): ApiError => apiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, message);
  if (name === '') return refuse('Username must not be empty');
  const nameFault = faultOfName(name);
  if (nameFault !== undefined) return refuse(`Nobody is let in by a username that ${nameFault}`);
  if (named(SCRAM_CODES, mechanism) === undefined) {
    return apiError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism');
  }
  if (iterations < ITERATIONS_MIN) return refuse('Too few iterations');
  if (iterations > ITERATIONS_MAX) return refuse('Too many iterations');
  if (salt.length === 0 || saltedPassword.length === 0) return refuse('Salt and salted password must not be empty');
  return NO_ERROR;
}

async function change(user: string, { changes }: Wanted, { broker }: RequestContext): Promise<ApiError> {
  try {
    await broker.users.change(user, changes);
    return NO_ERROR;
  } catch (err) {
    broker.logger.error({ err, user }, 'Credentials of a user could not be written');
    return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, "The metadata store could not do it; the broker's log says why.");
  }
}
