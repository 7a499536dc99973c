import { expect, it } from 'vitest';
import { nearest } from './nearest.ts';

it.each([
  ['ordres', 'orders'],
  ['rodesr', 'orders'],
  ['ORDERS', 'orders'],
  ['order', 'orders'],
  ['invoice', 'invoices'],
  ['payments', undefined],
  ['', undefined],
])('takes %j for %j', (meant, name) => {
  expect(nearest(meant, ['orders', 'invoices', 'orders-2'])).toBe(name);
});
