/** What tests of the listener share: raw peers, handlers that wait, a logger that remembers. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Logger } from '@millrace/ports';
import { Listener, type ListenerOptions } from '../listener.ts';

export function framed(body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body as string);
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeInt32BE(bytes.length);
  bytes.copy(frame, 4);
  return frame;
}

/** Request bodies carry an API key in front, as real ones do; 99 is no serial API. */
export function request(text: string, apiKey = 99): Buffer {
  const body = Buffer.alloc(2 + text.length);
  body.writeInt16BE(apiKey);
  body.write(text, 2);
  return framed(body);
}

export const echo = (frame: Buffer): Uint8Array[] => [framed(frame.subarray(2))];

export interface Gate {
  readonly text: string;
  open(chunks?: Uint8Array[] | null): void;
  fail(error: Error): void;
}

/** A handler whose requests wait until the test opens them. */
export function gatedHandler() {
  const gates: Gate[] = [];
  const handle = (frame: Buffer): Promise<Uint8Array[] | null> =>
    new Promise((resolve, reject) => {
      const text = frame.subarray(2).toString();
      gates.push({ text, open: (chunks) => resolve(chunks === undefined ? [framed(text)] : chunks), fail: reject });
    });
  return { gates, handle };
}

export function recordingLogger() {
  const lines: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, logger };
}

const cleanups: (() => unknown)[] = [];
/** Closes everything that was opened; for `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup();
  }
}

export async function startListener(options: Partial<ListenerOptions> & Pick<ListenerOptions, 'handler'>) {
  const listener = new Listener({ host: '127.0.0.1', ...options });
  const { port } = await listener.listen();
  cleanups.push(() => listener.close(0));
  return { listener, port };
}

export async function startPeer(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

export async function until(what: () => boolean): Promise<void> {
  while (!what()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Collects whole response frames as text. */
export function collect(socket: Socket): string[] {
  const texts: string[] = [];
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const end = 4 + pending.readInt32BE(0);
      texts.push(pending.subarray(4, end).toString());
      pending = pending.subarray(end);
    }
  });
  return texts;
}

export const closed = async (socket: Socket): Promise<void> => {
  if (!socket.closed) await once(socket, 'close');
};
