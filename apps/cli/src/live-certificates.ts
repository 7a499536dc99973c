/** Certificates and keys in files, read again for every connection: a program that runs on outlives them. */
import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { TlsSource } from '@millrace/client';

/** What keeps certificates and keys from being used, in words; undefined where nothing does. */
export function unusable(options: TlsOptions): string | undefined {
  try {
    createSecureContext(options);
    return undefined;
  } catch (error) {
    return `TLS does not take the certificates and keys that they name: ${(error as Error).message}`;
  }
}

/**
 * Gives what is in the files now; where they cannot be read any more, or do not belong together while they are being replaced, what was good
 * last. That is told once for each reason, and looked at again with the next connection.
 *
 * @param first - What was in the files when the program began
 * @param load - Reads them; rejects with an error that names the file
 */
export function liveCertificates(
  first: TlsOptions,
  load: () => Promise<TlsOptions>,
  warn: (message: string) => void,
): TlsSource {
  let good = first;
  let told: string | undefined;
  return async () => {
    const fault = await load().then(
      (options) => {
        const why = unusable(options);
        if (why === undefined) good = options;
        return why;
      },
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (fault !== undefined && fault !== told) {
      warn(`${fault.replace(/\.$/, '')}. The certificates that were read last hold on; new connections look again`);
    }
    told = fault;
    return good;
  };
}
