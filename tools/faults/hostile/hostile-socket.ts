/** Connections of those who mean no good. */
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export const HOST = '127.0.0.1';
/** So long a hostile connection waits for what the broker does with it. */
const PATIENCE_MS = 300;

export async function openSocket(port: number, isSpeakingTls: boolean, patienceMs = PATIENCE_MS): Promise<Socket> {
  const socket = isSpeakingTls
    ? connectTls({ port, host: HOST, servername: 'localhost', rejectUnauthorized: false })
    : createConnection({ port, host: HOST, noDelay: true });
  // Being cut off is what these connections are for.
  socket.on('error', () => undefined).resume();
  await heard(socket, isSpeakingTls ? 'secureConnect' : 'connect', patienceMs);
  return socket;
}

/** Waits until something happens to a socket, or it has gone, or for as long as one waits here. */
export async function heard(
  socket: Socket,
  event: 'connect' | 'secureConnect' | 'data' | 'close',
  patienceMs = PATIENCE_MS,
): Promise<void> {
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(resolve, patienceMs);
  socket.once(event, () => resolve()).once('close', () => resolve());
  await promise;
  clearTimeout(late);
}
