import type { TlsOptions } from 'node:tls';
import { ownCertificate } from './replacement.ts';

const DAY_MS = 86_400_000;
/** So long before a certificate ends, its owner hears of it. */
const TOLD_BEFORE_DAYS = 14;

/** What is to be said of how long a listener's certificate holds; undefined where nothing is. */
export interface CertificateNews {
  readonly level: 'error' | 'warn';
  readonly message: string;
}

/** Clients refuse a certificate that has ended, each in its own words; the broker that shows it should say why. */
export function certificateNews(listener: string, options: TlsOptions, now: Date): CertificateNews | undefined {
  const certificate = ownCertificate(options);
  if (certificate === undefined) return undefined;
  const { validFromDate, validToDate } = certificate;
  const what = `The certificate of listener ${listener}`;
  const then = 'Clients that check it do not connect. Put a new one in its place: it is taken up without a restart';
  if (now > validToDate) return { level: 'error', message: `${what} has ended on ${dayOf(validToDate)}. ${then}` };
  if (now < validFromDate) {
    return {
      level: 'error',
      message: `${what} holds from ${dayOf(validFromDate)} on, and not yet. Look at this machine's clock, and at the certificate`,
    };
  }
  const restDays = Math.floor((validToDate.getTime() - now.getTime()) / DAY_MS);
  if (restDays >= TOLD_BEFORE_DAYS) return undefined;
  return {
    level: 'warn',
    message: `${what} ends in ${restDays === 0 ? 'less than a day' : restDays === 1 ? '1 day' : `${restDays} days`}, on ${dayOf(validToDate)}. ${then.split('. ')[1]}`,
  };
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
