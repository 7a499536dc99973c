import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

const DAY_MS = 86_400_000;
/** Time enough to ask for a new certificate. */
const TOLD_BEFORE_DAYS = 14;

/** What is wrong with the dates of the certificate that a listener shows, after its name; undefined where nothing is. */
export function datesFault(options: SecureContextOptions, nowMs: number): string | undefined {
  const certificate = shownCertificate(options);
  if (certificate === undefined) return undefined;
  const [fromMs, toMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (nowMs >= toMs) return `has expired on ${dayOf(toMs)}: clients that look at it do not connect. Replace it`;
  if (nowMs < fromMs) {
    return `is valid from ${dayOf(fromMs)} on only: clients that look at it do not connect before. Replace it, or set the clock`;
  }
  const days = Math.floor((toMs - nowMs) / DAY_MS);
  if (days >= TOLD_BEFORE_DAYS) return undefined;
  const left = days === 0 ? 'less than a day' : days === 1 ? '1 day' : `${days} days`;
  return `expires on ${dayOf(toMs)}, in ${left}: clients that look at it do not connect then. Replace it before`;
}

/** The certificate as OpenSSL has read it, so that every format that can be used can be looked at. */
function shownCertificate(options: SecureContextOptions): X509Certificate | undefined {
  try {
    // Node gives the bytes of the certificate, and has no type for whom it asks.
    const context = createSecureContext(options).context as { getCertificate(): Buffer | null };
    const bytes = context.getCertificate();
    return bytes === null ? undefined : new X509Certificate(bytes);
  } catch {
    // What cannot be read at all has been told already.
    return undefined;
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
