/** The pages whose examples are run and compiled as they stand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../source/index.ts';

/** What stands in an example for the reader's own cluster. */
export const PLACEHOLDER = 'localhost:9092';

/** The topics that the examples find when they begin, where topics are not made by being used. */
export const TOPICS: readonly string[] = ['orders', 'audit', 'metrics'];

/** What the examples of the consumer's page find in `orders`. */
export const ORDERS: readonly { topic: string; key: string; value: string }[] = [1, 2, 3].map((id) => ({
  topic: 'orders',
  key: 'k',
  value: JSON.stringify({ id, total: id + 4 }),
}));

const packages = ['producer', 'consumer', 'admin', 'serdes', 'testing'];

export const PAGES: readonly string[] = [
  'README.md',
  'docs/coming-from-kafkajs.md',
  'docs/security.md',
  'docs/programs.md',
  'docs/testing.md',
  ...packages.map((name) => `packages/${name}/README.md`),
];

/** The `ts` blocks of a page that are whole programs, in order. */
export function examplesOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code ?? '');
}
