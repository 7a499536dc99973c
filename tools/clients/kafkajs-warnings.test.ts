import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { nextTurn } from '@millrace/ports';
import { expect, it } from 'vitest';
import './kafkajs-warnings.ts';

/** What ends a connection in kafkajs, with what it needs of it; the package has no types for its inner modules. */
const Connection = createRequire(import.meta.url)('kafkajs/src/network/connection') as {
  readonly prototype: { disconnect(): Promise<true> };
};

async function namesOfWarnings(act: () => Promise<void> | void): Promise<string[]> {
  const names: string[] = [];
  const onWarning = (warning: Error): void => void names.push(warning.name);
  process.on('warning', onWarning);
  await act();
  await nextTurn();
  process.off('warning', onWarning);
  return names;
}

it('keeps to itself that kafkajs ends a lost connection once for each request that failed by it', async () => {
  const requestQueue = { waitForPendingRequests: async () => {}, destroy() {} };
  const lost = { requestQueue, logDebug() {}, socket: new Socket().destroy() };
  const names = await namesOfWarnings(async () => {
    for (let n = 0; n < 12; n += 1) await Connection.prototype.disconnect.call(lost);
  });
  expect(lost.socket.listenerCount('connect')).toBe(12);
  expect(names).toEqual([]);
});

it('shows the same warning of anybody else', async () => {
  const names = await namesOfWarnings(() => {
    const emitter = new EventEmitter();
    for (let n = 0; n < 11; n += 1) emitter.once('connect', () => {});
  });
  expect(names).toEqual(['MaxListenersExceededWarning']);
});
