import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const folder = new URL('.', import.meta.url);

it('counts nothing as passed against a cluster elsewhere that never reaches it: what has brokers of its own is skipped there', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts'));
  const sources = files.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const);
  const own = sources.filter(([, source]) =>
    /import \{[^}]*\bstart(?:Broker|Cluster)\b[^}]*\} from '@millrace\/testing'/.test(source),
  );
  const guarded = own.filter(([, source]) => /\b(?:runIf\(!isElsewhere\)|skipIf\(isElsewhere\))/.test(source));
  expect(own.length).toBeGreaterThan(5);
  expect(own.map(([name]) => name)).toEqual(guarded.map(([name]) => name));
});
