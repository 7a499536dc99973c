import { EventEmitter } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { nextTurn } from '@millrace/ports';
import { expect, it } from 'vitest';
import './kafkajs-warnings.ts';

/** What ends a connection in kafkajs, with what it needs of it; the package has no types for its inner modules. */
const Connection = createRequire(import.meta.url)('kafkajs/src/network/connection') as {
  readonly prototype: { disconnect(): Promise<true> };
};

async function namesOfWarnings(act: () => Promise<void> | void): Promise<string[]> {
  const names: string[] = [];
  // Node's own listener prints what it is told, and a warning in the output of tests is one that somebody looks into.
  const others = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => names.push(warning.name));
  try {
    await act();
    await nextTurn();
  } finally {
    process.removeAllListeners('warning');
    for (const each of others) process.on('warning', each);
  }
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

it('is loaded wherever kafkajs is', () => {
  const tools = join(import.meta.dirname, '..');
  const without = globSync('**/*.ts', { cwd: tools, exclude: (path) => path.includes('node_modules') }).filter(
    (path) => {
      const source = readFileSync(join(tools, path), 'utf8');
      const isUsed = /^(import (?!type )|\} )[^;]*from 'kafkajs'/m.test(source);
      return isUsed && !/(clients\/(index|kafkajs)|\.\/kafkajs-warnings)\.ts'/.test(source);
    },
  );
  expect(without).toEqual([]);
});
