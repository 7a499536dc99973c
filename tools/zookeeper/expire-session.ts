import { systemClock } from '@millrace/ports';
import type { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { connectSocket, encodeConnectRequest, encodeRequest, FrameCutter } from '@millrace/zookeeper/internal';

/**
 * Lets a session expire at once: whoever knows its password can end it from another connection, and the ensemble tells its owner
 * that it is over when he comes back.
 */
export async function expireSession(store: ZooKeeperMetadataStore, port: number): Promise<void> {
  await expireUnheard(store, port);
  const isExpired = new Promise<void>((resolve) => {
    store.onSession((state) => {
      if (state === 'expired') resolve();
    });
    if (store.sessionState === 'expired') resolve();
  });
  store.client.breakConnection();
  await isExpired;
}

/** Ends a session, whose owner learns it only when he comes back. */
export async function expireUnheard(store: ZooKeeperMetadataStore, port: number): Promise<void> {
  const { session } = store.client;
  if (session === undefined) throw new Error('there is no session');
  await endFromElsewhere(session, port);
}

function endFromElsewhere(
  session: { readonly id: string; readonly password: Buffer; readonly timeoutMs: number },
  port: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const cutter = new FrameCutter(1024);
    const request = {
      lastZxidSeen: 0,
      timeoutMs: session.timeoutMs,
      sessionId: session.id,
      password: session.password,
    };
    const transport = connectSocket()(
      { host: '127.0.0.1', port },
      {
        opened: () => transport.write(encodeConnectRequest(request)),
        received: (chunk) => {
          cutter.push(chunk);
          for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) {
            transport.write(encodeRequest(1, { type: 'close' }));
          }
        },
        closed: () => resolve(),
      },
    );
    systemClock.schedule(5000, () => reject(new Error('the session could not be ended')));
  });
}
