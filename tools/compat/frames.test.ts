/** Frames of real clients that are not quite what the protocol's definition says, sent as they were seen. */
import { createConnection } from 'node:net';
import { describe, expect, it } from 'vitest';
import { compatSuite } from './suite.ts';

const suite = compatSuite();

/** Sends one frame (without its size) on a connection of its own, and returns the answer (without its size). */
function exchange(frame: Buffer): Promise<Buffer> {
  const [host = '', port = ''] = suite.bootstrap.split(':');
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(port) });
    let held: Buffer = Buffer.alloc(0);
    socket.on('connect', () => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(frame.length);
      socket.write(Buffer.concat([size, frame]));
    });
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
        resolve(held.subarray(4));
        socket.destroy();
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the broker closed the connection')));
  });
}

describe('a frame of librdkafka', () => {
  it('that asks for all topics in Metadata v12, with three bytes too many, is answered', async () => {
    const topic = await suite.createTopic('all-topics');
    // librdkafka 2.14: the null array of topics takes four bytes where the flexible version has one.
    const frame = Buffer.from('0003000c0000000700077264616b666b6100' + '00000000' + '010000', 'hex');
    const answer = await exchange(frame);
    expect(answer.readInt32BE(0)).toBe(7);
    expect(answer.includes(topic)).toBe(true);
  });
});
