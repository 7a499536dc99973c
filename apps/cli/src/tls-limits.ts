/** What client properties say of how TLS is spoken, beside certificates: versions, suites, curves, signatures. */
import { type ConnectionOptions, createSecureContext } from 'node:tls';

type Take = (...names: string[]) => string | undefined;
type TlsLimits = Pick<ConnectionOptions, 'minVersion' | 'maxVersion' | 'ciphers' | 'ecdhCurve' | 'sigalgs'>;

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/**
 * The limits by the names of Java and of librdkafka, as Node takes them. Whatever is not given is left out.
 * @throws Error in words where a limit cannot be kept: less would be spoken than was asked for
 */
export async function tlsLimits(take: Take): Promise<TlsLimits> {
  const [protocols, suites] = [take('ssl.enabled.protocols'), take('ssl.cipher.suites')];
  const [curves, signatures] = [take('ssl.curves.list'), take('ssl.sigalgs.list')];
  const limits = {
    ...(isGiven(protocols) ? versionsOf(protocols) : {}),
    ...(isGiven(suites) ? { ciphers: await ciphersOf(suites) } : {}),
    ...(isGiven(curves) ? { ecdhCurve: curves.trim() } : {}),
    ...(isGiven(signatures) ? { sigalgs: signatures.trim() } : {}),
  };
  try {
    createSecureContext(limits);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `ssl.enabled.protocols, ssl.cipher.suites, ssl.curves.list and ssl.sigalgs.list cannot be kept: ${reason}`,
      { cause },
    );
  }
  return limits;
}

const isGiven = (text: string | undefined): text is string => text !== undefined && text.trim() !== '';

function versionsOf(text: string): Pick<TlsLimits, 'minVersion' | 'maxVersion'> {
  const wanted = text.split(',').map((each) => each.trim());
  const versions = VERSIONS.filter((each) => wanted.includes(each));
  const [minVersion] = versions;
  const maxVersion = versions.at(-1);
  if (wanted.some((each) => !VERSIONS.some((version) => version === each)) || minVersion === undefined) {
    throw new Error(`ssl.enabled.protocols=${text} cannot be: give ${VERSIONS.join(', ')} or both`);
  }
  return { minVersion, maxVersion };
}

/** Java's names with commas between, or a list as OpenSSL takes it. */
async function ciphersOf(text: string): Promise<string> {
  const names = text.split(/[,:]/).map((each) => each.trim());
  if (!names.some((name) => name.includes('_WITH_'))) return names.join(':');
  // The broker's room knows Java's names; lazily, since that is large and few name suites.
  const { CIPHERS } = await import('@millrace/broker-app');
  const known = names.map((name) => CIPHERS[name] ?? (name.includes('_WITH_') ? undefined : name));
  const unknown = names[known.indexOf(undefined)];
  if (known.includes(undefined)) {
    throw new Error(
      `ssl.cipher.suites has ${unknown}, which is not spoken: there are ${Object.keys(CIPHERS).join(', ')}`,
    );
  }
  return known.join(':');
}
