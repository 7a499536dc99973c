import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { certificateNews } from './certificate-end.ts';

const pem = (name: string): Buffer =>
  readFileSync(new URL(`../../../../packages/network/fixtures/localhost.${name}.pem`, import.meta.url));
const options = { key: pem('key'), cert: pem('cert') };
const { validFromDate, validToDate } = new X509Certificate(options.cert);
const DAY_MS = 86_400_000;
const at = (date: Date, days: number): Date => new Date(date.getTime() + days * DAY_MS);
const news = (now: Date) => certificateNews('SSL', options, now);

describe('a listener’s certificate', () => {
  it('is nothing to speak of while it holds for long', () => {
    expect(news(at(validFromDate, 1))).toBeUndefined();
    expect(news(at(validToDate, -15))).toBeUndefined();
  });

  it('is spoken of two weeks before it ends, when it has ended, and when it does not hold yet', () => {
    expect(news(at(validToDate, -3.5))).toEqual({
      level: 'warn',
      message: expect.stringMatching(/SSL ends in 3 days.*Put a new one/),
    });
    expect(news(at(validToDate, -0.5))?.message).toContain('ends in less than a day');
    expect(news(at(validToDate, 1))).toEqual({
      level: 'error',
      message: expect.stringMatching(/has ended on \d{4}-.*Put a new one/),
    });
    expect(news(at(validFromDate, -1))).toEqual({ level: 'error', message: expect.stringMatching(/not yet.*clock/) });
  });
});
