import { ApiVersions, decodeRequestHeader, encodeResponse, Heartbeat } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Listener } from './listener.ts';
import { ReconnectingConnection } from './reconnecting-connection.ts';

const BODY = { groupId: 'g', generationId: 1, memberId: 'm' };
const OPTIONS = { timeoutMs: 5000 };

let listener: Listener;
let port: number;
/** What the broker does with a Heartbeat; undefined leaves it without an answer. */
let errorCode: number | undefined;

async function listen(onPort = 0): Promise<void> {
  listener = new Listener({
    host: '127.0.0.1',
    port: onPort,
    handler: {
      handle: (frame) => {
        const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame);
        if (apiKey === ApiVersions.key) {
          const apiKeys = [ApiVersions, Heartbeat].map(({ key }) => ({ apiKey: key, minVersion: 0, maxVersion: 4 }));
          return encodeResponse(ApiVersions, apiVersion, correlationId, { errorCode: 0, apiKeys });
        }
        if (errorCode === undefined) return new Promise(() => {});
        return encodeResponse(Heartbeat, apiVersion, correlationId, { errorCode });
      },
    },
  });
  await listener.listen();
  port = listener.address.port;
}

beforeEach(async () => {
  errorCode = 0;
  await listen();
});

afterEach(() => listener.close(0));

describe('a connection that is made anew', () => {
  it('connects when it is first used, once for requests that come together', async () => {
    const line = new ReconnectingConnection({ host: '127.0.0.1', port });
    expect(listener.stats().connectionsOpen).toBe(0);
    const answers = await Promise.all([
      line.send(Heartbeat, 4, BODY, OPTIONS),
      line.send(Heartbeat, 'auto', BODY, OPTIONS),
    ]);
    expect(answers).toMatchObject([{ errorCode: 0 }, { errorCode: 0 }]);
    expect(listener.stats().connectionsOpen).toBe(1);
    line.close();
  });

  it('sends nothing that was asked for before it was given up, wherever that waited for its connection', async () => {
    const lost = Promise.withResolvers<void>();
    const ignore = (): void => {};
    const logger = { trace: ignore, debug: () => lost.resolve(), info: ignore, warn: ignore, error: ignore };
    const line = new ReconnectingConnection({ host: '127.0.0.1', port, logger });
    const whileConnecting = line.send(Heartbeat, 4, BODY, OPTIONS);
    line.reset();
    await expect(whileConnecting).rejects.toMatchObject({ code: 'NETWORK_CONNECTION_CLOSED' });
    expect(await line.send(Heartbeat, 4, BODY, OPTIONS)).toMatchObject({ errorCode: 0 });
    await listener.close(0);
    await lost.promise;
    await listen(port);
    // The connection from before is lost, so another one would be made on the way.
    const behindTheLost = line.send(Heartbeat, 4, BODY, OPTIONS);
    line.reset();
    await expect(behindTheLost).rejects.toMatchObject({ code: 'NETWORK_CONNECTION_CLOSED' });
    expect(await line.send(Heartbeat, 4, BODY, OPTIONS)).toMatchObject({ errorCode: 0 });
    line.close();
  });

  it('fails while nobody listens, and comes back by itself', async () => {
    const line = new ReconnectingConnection({ host: '127.0.0.1', port });
    await line.send(Heartbeat, 4, BODY, OPTIONS);
    await listener.close(0);
    await expect(line.send(Heartbeat, 4, BODY, OPTIONS)).rejects.toMatchObject({ retriable: true });
    await expect(line.send(Heartbeat, 4, BODY, OPTIONS)).rejects.toMatchObject({ retriable: true });
    await listen(port);
    expect(await line.send(Heartbeat, 4, BODY, OPTIONS)).toMatchObject({ errorCode: 0 });
    line.close();
  });

  it('gives up a connection on which an answer did not come in time', async () => {
    const line = new ReconnectingConnection({ host: '127.0.0.1', port });
    errorCode = undefined;
    await expect(line.send(Heartbeat, 4, BODY, { timeoutMs: 30 })).rejects.toMatchObject({
      code: 'NETWORK_REQUEST_TIMED_OUT',
    });
    errorCode = 27;
    expect(await line.send(Heartbeat, 4, BODY, OPTIONS)).toMatchObject({ errorCode: 27 });
    line.close();
  });

  it('lets what is under way fail when it is reset, and goes on after it', async () => {
    const line = new ReconnectingConnection({ host: '127.0.0.1', port });
    await line.send(Heartbeat, 4, BODY, OPTIONS);
    errorCode = undefined;
    const waiting = line.send(Heartbeat, 4, BODY, OPTIONS);
    const failed = expect(waiting).rejects.toMatchObject({ code: 'NETWORK_CONNECTION_CLOSED' });
    await Promise.resolve();
    line.reset();
    await failed;
    errorCode = 0;
    expect(await line.send(Heartbeat, 4, BODY, OPTIONS)).toMatchObject({ errorCode: 0 });
    line.close();
  });

  it('sends nothing after it was closed', async () => {
    const line = new ReconnectingConnection({ host: '127.0.0.1', port });
    line.close();
    await expect(line.send(Heartbeat, 4, BODY, OPTIONS)).rejects.toMatchObject({ code: 'NETWORK_CONNECTION_CLOSED' });
  });
});
