import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** How long a provider may take to tell its keys. */
const PROVIDER_MS_MAX = 10_000;
/** The largest set of keys that is taken; the usual one has two or three. */
const KEYS_BYTES_MAX = 1024 * 1024;

/** Reads the keys of an OAuth provider (a JWKS) from where the settings say they are: a file, or the provider itself. */
export async function loadSigningKeys(url: string): Promise<unknown> {
  if (url.startsWith('file:')) return JSON.parse(await readFile(fileURLToPath(url), 'utf8'));
  // Whoever is named in the settings is trusted, and nobody to whom he points.
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/jwk-set+json, application/json' },
    signal: AbortSignal.timeout(PROVIDER_MS_MAX),
  });
  if (!response.ok) throw new Error(`The provider answered with status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > KEYS_BYTES_MAX) throw new Error(`The provider's answer is longer than ${KEYS_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
