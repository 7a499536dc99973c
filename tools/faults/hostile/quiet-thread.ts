/** A thread of its own, so that what the attackers do in theirs does not count: one small request after the other. */
import { createConnection, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { ApiVersions, encodeRequest } from '@millrace/protocol';

const PAUSE_MS = 4;

const { port } = workerData as { port: number };
const frame = Buffer.concat(encodeRequest(ApiVersions, 0, { correlationId: 1, clientId: 'quiet' }, {}));

let longestMs = 0;
let answers = 0;
let lost = 0;
let sentAt = 0;
let socket: Socket | undefined;

function ask(): void {
  sentAt = performance.now();
  if (socket === undefined || socket.destroyed) socket = connect();
  socket.write(frame);
}

function connect(): Socket {
  const fresh = createConnection({ port, host: '127.0.0.1', noDelay: true });
  let missingBytes = -1;
  fresh.on('data', (chunk: Buffer) => {
    // An answer comes in one piece or two; only its end matters.
    missingBytes = (missingBytes < 0 ? 4 + chunk.readInt32BE(0) : missingBytes) - chunk.length;
    if (missingBytes > 0) return;
    missingBytes = -1;
    longestMs = Math.max(longestMs, performance.now() - sentAt);
    answers += 1;
    setTimeout(ask, PAUSE_MS);
  });
  fresh.on('error', () => undefined);
  fresh.on('close', () => {
    lost += 1;
    setTimeout(ask, PAUSE_MS);
  });
  return fresh;
}

parentPort?.on('message', () => {
  // One that is still waited for counts with what it has waited so far.
  const waitingMs = socket === undefined ? 0 : performance.now() - sentAt - PAUSE_MS * 2;
  parentPort?.postMessage({ longestMs: Math.max(longestMs, waitingMs), answers, lost });
  longestMs = 0;
  answers = 0;
  lost = 0;
});
ask();
