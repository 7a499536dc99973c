/** What the server takes from whom, and what it notes of it. */
import { request as httpRequest } from 'node:http';
import { Admin } from '@millrace/admin';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHANGE_HEADER, type Input, type Route } from '../api/contract.ts';
import { type Console, createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';

interface Line {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const CREATE = 'POST /api/clusters/:cluster/topics';
const DELETE = 'POST /api/clusters/:cluster/topics/:topic/delete';
const RESET = 'POST /api/clusters/:cluster/groups/:group/reset';
const SEND = 'POST /api/clusters/:cluster/topics/:topic/messages';
const SET = 'POST /api/clusters/:cluster/topics/:topic/configs';
const STOP = 'POST /api/clusters/:cluster/topics/:topic/exports/:id/stop';

/** In a checkout the page is built when it is first asked for. */
const PAGE_MS_MAX = 120_000;

let broker: TestBroker;
let open: Console;
let withRoles: Console;
let readOnly: Console;
const ports = { open: 0, withRoles: 0, readOnly: 0 };
const lines: Line[] = [];

beforeAll(async () => {
  broker = await startBroker({ topics: ['orders'] });
  await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
  await admin.alterGroupOffsets('billing', [{ topic: 'orders', partition: 0, offset: 0 }]);
  const note =
    (level: Line['level']) =>
    (fields: object, message: string): void => {
      if ('audit' in fields) lines.push({ level, message, fields: { ...fields } });
    };
  const logger = { debug: () => undefined, info: note('info'), warn: note('warn'), error: () => undefined };
  const clusters = { local: { bootstrapServers: broker.bootstrapServers } };
  const users = [
    { name: 'eve', password: 'pw', role: 'viewer' as const },
    { name: 'ann', password: 'pw', role: 'admin' as const },
  ];
  open = await createConsole({ clusters, logger });
  withRoles = await createConsole({ clusters, logger, users });
  readOnly = await createConsole({ clusters, logger, isReadOnly: true });
  ports.open = await open.listen({ port: 0 });
  ports.withRoles = await withRoles.listen({ port: 0 });
  ports.readOnly = await readOnly.listen({ port: 0 });
});
beforeEach(() => {
  lines.length = 0;
});
afterAll(async () => {
  await Promise.all([open, withRoles, readOnly].map((each) => each.close()));
  await broker.close();
});

/** As it is: no part of the address is made another. */
function get(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port: ports.open, host: '127.0.0.1', path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('a page of another site', () => {
  it.each(['/api/session', '/%61pi/session', '/%61%70%69/session', '/ap%69/sessio%6E', 'http://localhost/api/session'])(
    'has no answer of the API, however it writes the address: %s',
    async (path) => {
      for (const foreign of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'http://evil.example' }]) {
        expect(await get(path, foreign), JSON.stringify(foreign)).toBe(403);
      }
      expect(await get(path, { 'sec-fetch-site': 'same-origin' })).toBe(200);
    },
  );

  it('may lead to a page', { timeout: PAGE_MS_MAX }, async () => {
    for (const path of ['/', '/local/topics', '/local/%61pi', '/%61pi']) {
      expect(await get(path, { 'sec-fetch-site': 'cross-site' }), path).toBe(200);
    }
  });
});

describe('the audit log', () => {
  const ask = <R extends Route>(at: keyof typeof ports, route: R, input: Input<R>, login?: string) =>
    askConsole({ port: ports[at], login }, route, input).catch((error: unknown) => error);

  it('has no line of what changes nothing', async () => {
    const reset = { cluster: 'local', group: 'billing', topic: 'orders', to: 'latest' } as const;
    expect(await ask('open', RESET, { ...reset, dryRun: true })).toMatchObject([{ from: 0, to: 0 }]);
    const fresh = { cluster: 'local', topic: 'fresh', configs: {} };
    expect(await ask('open', CREATE, { ...fresh, validateOnly: true })).toEqual({ topic: 'fresh' });
    expect(await ask('open', STOP, { cluster: 'local', topic: 'orders', id: 'none-such' })).toEqual({});
    expect(lines).toEqual([]);
    await ask('open', RESET, { ...reset, dryRun: false });
    expect(lines).toMatchObject([
      { level: 'info', message: `somebody on this machine did ${RESET} in the console`, fields: { outcome: 'done' } },
    ]);
  });

  it('has a line of what somebody had no right to, with who he is and on what', async () => {
    const wanted = { cluster: 'local', topic: 'orders', confirm: 'orders' };
    expect(await ask('withRoles', DELETE, wanted, 'eve:pw')).toMatchObject({ code: 'CONSOLE_FORBIDDEN' });
    expect(await ask('readOnly', DELETE, wanted)).toMatchObject({ code: 'CONSOLE_READ_ONLY' });
    const on = expect.objectContaining({ cluster: 'local', topic: 'orders' });
    const refused = { audit: true, outcome: 'refused', route: DELETE, on };
    expect(lines).toMatchObject([
      {
        level: 'warn',
        message: `eve tried ${DELETE} in the console, which was refused`,
        fields: {
          ...refused,
          user: 'eve',
          err: { code: 'CONSOLE_FORBIDDEN', message: expect.stringMatching('admin') },
        },
      },
      { level: 'warn', fields: { ...refused, user: null, err: { code: 'CONSOLE_READ_ONLY' } } },
    ]);
  });

  it('has a line of what another site had a browser ask for', async () => {
    const answer = await fetch(`http://localhost:${ports.open}/%61pi/clusters/local/topics/orders/delete`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1', origin: 'http://evil.example' },
      body: '{"confirm":"orders"}',
    });
    expect(answer.status).toBe(403);
    const on = { cluster: 'local', topic: 'orders' };
    expect(lines).toMatchObject([
      { level: 'warn', fields: { outcome: 'refused', route: DELETE, on, err: { code: 'CONSOLE_FOREIGN_ORIGIN' } } },
    ]);
  });

  it('tells why something failed, and nothing of what was in it', async () => {
    expect(await ask('open', DELETE, { cluster: 'local', topic: 'orders', confirm: 'order' })).toMatchObject({
      code: 'CONSOLE_NOT_CONFIRMED',
    });
    const message = { key: 'never', value: 'never-told', headers: [], valueSchema: 7 };
    await ask('open', SEND, { cluster: 'local', topic: 'orders', ...message });
    await ask('open', SET, { cluster: 'local', topic: 'orders', set: { 'retention.ms': 'never-told' }, unset: [] });
    expect(lines).toMatchObject([
      {
        message: `somebody on this machine tried ${DELETE} in the console, which failed`,
        fields: { outcome: 'failed', err: { code: 'CONSOLE_NOT_CONFIRMED', message: expect.stringMatching('orders') } },
      },
      { fields: { outcome: 'failed', route: SEND, err: { code: 'CONSOLE_BAD_REQUEST' } } },
      {
        fields: {
          outcome: 'failed',
          route: SET,
          names: ['retention.ms'],
          err: { code: expect.stringMatching('CONFIG') },
        },
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('never');
  });
});
