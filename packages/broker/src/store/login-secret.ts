import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Random } from '@millrace/ports';
import { untilAnswered } from './lost-answers.ts';
import { MalformedNodeError, paths } from './znodes.ts';

const SECRET_BYTES = 32;

/**
 * A secret that the brokers of a cluster share, and nobody else: what unknown users are asked for is made of it, so that it is the same
 * at each and after a restart. The first that needs it makes it. @throws MetadataError
 */
export async function loginSecret(store: MetadataStore, random: Random): Promise<Buffer> {
  if ((await store.exists(paths.loginSecret)) === undefined) {
    const text = Buffer.from(random.bytes(SECRET_BYTES)).toString('base64');
    try {
      await untilAnswered(() => store.create(paths.loginSecret, Buffer.from(text)));
    } catch (error) {
      if (!isMetadataError(error, 'NODE_EXISTS')) throw error;
    }
  }
  const secret = Buffer.from((await store.get(paths.loginSecret)).data.toString(), 'base64');
  if (secret.length === SECRET_BYTES) return secret;
  throw new MalformedNodeError(paths.loginSecret, new RangeError(`it has ${secret.length} bytes`));
}
