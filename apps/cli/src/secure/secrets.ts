import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The file with the broker's key and certificate, in the folder that `millrace start --secure` keeps its secrets in. */
export const KEYSTORE = 'broker.pem';

/** Whether a start with `--secure` has made its secrets in this folder. */
export function hasSecrets(folder: string): boolean {
  return existsSync(join(folder, KEYSTORE));
}
