import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../source/index.ts';
import { KNOWN_FLAWS } from './cves.ts';
import { emptinessOf } from './emptiness.ts';

const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('flaws that Kafka and its clients have had', () => {
  it.each(KNOWN_FLAWS)('have tests that are there: $cves', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, name } of tests) expect(emptinessOf(textOf(file), name), `${file}: ${name}`).toBeUndefined();
  });

  it('are listed in SECURITY.md, each with what it was', () => {
    const security = textOf('SECURITY.md');
    for (const { cves, what } of KNOWN_FLAWS) {
      for (const cve of cves) expect(security).toContain(cve);
      expect(security).toContain(what);
    }
  });

  it('telemetry of clients is not served (CVE-2026-111073)', () => {
    // Another test holds this list to what the broker has handlers for.
    const served = /^> The broker serves: [\s\S]*?^$/m.exec(textOf('docs/compatibility.md'))?.[0] ?? '';
    expect(served).toContain('Produce');
    expect(served).not.toContain('Telemetry');
  });

  it('secrets are compared in a time that tells nothing (CVE-2021-38153)', () => {
    // What cannot be measured in a test without luck is held to by its name: each of these ends in the comparison of digests.
    for (const name of ['plain', 'scram']) {
      const source = textOf(`packages/broker/src/security/login/${name}.ts`);
      expect(source, name).toMatch(/timingSafeEqual\(/);
      expect(source, name).not.toMatch(
        /(?:password|proof|shown|storedKey)\s*[!=]==?\s*(?:expected|given|shown|storedKey)/,
      );
    }
  });
});
