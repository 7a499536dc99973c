import { createHmac } from 'node:crypto';
import { hashOf, ITERATIONS_MIN, type ScramCredential, type ScramMechanism } from './scram-credential.ts';

/** What shows of a credential before anybody has proved anything. */
export interface CredentialShape {
  readonly iterations: number;
  readonly saltBytes: number;
}

/** What Kafka's tools make, where there is no user to go by. */
const USUAL_SHAPE: CredentialShape = { iterations: ITERATIONS_MIN, saltBytes: 24 };

/** Gives the shape below which so much (0 to 1) of the users' credentials lies; undefined where there are none. */
export type ShapeAt = (mechanism: ScramMechanism, share: number) => CredentialShape | undefined;

/**
 * What somebody is asked for whom nobody knows: the same for the same name at every broker that has the secret, so that asking twice, or
 * at another broker, tells nothing. It looks like a credential of somebody who is there: among users of whom a third has 8192
 * iterations, so does a third of all names.
 */
export function inventedCredential(
  mechanism: ScramMechanism,
  user: string,
  secret: Buffer,
  shapeAt: ShapeAt,
): ScramCredential {
  const of = (what: string): Buffer => createHmac(hashOf(mechanism), secret).update(`${what} ${user}`).digest();
  const { iterations, saltBytes } = shapeAt(mechanism, of('shape').readUInt32BE(0) / 2 ** 32) ?? USUAL_SHAPE;
  const salt = Buffer.concat([of('salt'), of('more salt')]);
  return {
    salt: salt.subarray(0, saltBytes),
    storedKey: of('stored'),
    serverKey: of('server'),
    iterations,
  };
}
