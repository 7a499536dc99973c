import { expect, it } from 'vitest';
import { nearestName } from './nearest.ts';

it.each([
  ['ordres', 'orders'],
  ['rodesr', 'orders'],
  ['ORDERS', 'orders'],
  ['order', 'orders'],
  ['invoice', 'invoices'],
  ['payments', undefined],
  ['', undefined],
])('takes %j for %j', (meant, name) => {
  expect(nearestName(meant, ['orders', 'invoices', 'orders-2'])).toBe(name);
});
