import { systemClock } from '@millrace/ports';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cleanUp, framed, request, startListener, startPeer, until } from './testing/peers.ts';

const HOSTILE = 100;
const FRAMES = 100;

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

describe('the time of the event loop', () => {
  /** How long a client with one request waits, in a time that only handlers spend: 1 ms each. */
  async function waitOf(handle: (spend: () => void) => Uint8Array[] | Promise<Uint8Array[]>): Promise<number> {
    let nowMs = 0;
    vi.spyOn(systemClock, 'monotonic').mockImplementation(() => nowMs);
    let handled = 0;
    let askedMs = -1;
    let startedMs = -1;
    const { port } = await startListener({
      handler: {
        handle(frame) {
          if (frame.includes('honest')) {
            startedMs = nowMs;
            return [framed(Buffer.alloc(4))];
          }
          handled += 1;
          if (handled === FRAMES * 10) {
            askedMs = nowMs;
            honest.write(request('honest'));
          }
          return handle(() => {
            nowMs += 1;
          });
        },
      },
    });
    const honest = await startPeer(port);
    const hostile = await Promise.all(Array.from({ length: HOSTILE }, () => startPeer(port)));
    for (const peer of hostile) {
      peer.resume();
      peer.write(Buffer.concat(Array.from({ length: FRAMES }, () => request('hostile'))));
    }
    await until(() => startedMs >= 0);
    return startedMs - askedMs;
  }

  it('is shared so that a small request waits for a turn or two, however many have sent hundreds', async () => {
    const waitedMs = await waitOf((spend) => {
      spend();
      return [framed(Buffer.alloc(4))];
    });
    expect(waitedMs).toBeLessThan(40);
  });

  it('is shared so where handlers take it only later', async () => {
    const waitedMs = await waitOf(async (spend) => {
      await undefined;
      spend();
      return [framed(Buffer.alloc(4))];
    });
    expect(waitedMs).toBeLessThan(40);
  });
});
