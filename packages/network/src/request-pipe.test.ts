import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ManualClock } from '@millrace/ports';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameAssembler } from './frame-assembler.ts';
import { type PipeRequest, RequestPipe, type RequestPipeOptions } from './request-pipe.ts';

/** The other end: gathers request frames, answers when the test says so. */
interface Server {
  readonly requests: { id: number; text: string }[];
  answer(id: number, text?: string): void;
  write(bytes: Uint8Array): void;
  readonly socket: Socket;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup();
  }
});

function frameOf(id: number, text: string): Buffer {
  const frame = Buffer.alloc(8 + text.length);
  frame.writeInt32BE(4 + text.length);
  frame.writeInt32BE(id, 4);
  frame.write(text, 8);
  return frame;
}

async function startPipe(options: Partial<RequestPipeOptions> = {}) {
  const listener = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanups.push(() => listener.close());
  const { port } = listener.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const [peer] = (await once(listener, 'connection')) as [Socket];
  cleanups.push(
    () => socket.destroy(),
    () => peer.destroy(),
  );
  const clock = new ManualClock();
  const requests: Server['requests'] = [];
  const assembler = new FrameAssembler({ frameBytesMax: 10_000 });
  peer.on('error', () => {});
  peer.on('data', (chunk: Buffer) => {
    assembler.push(chunk);
    for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) {
      requests.push({ id: frame.readInt32BE(0), text: frame.subarray(4).toString() });
    }
  });
  const server: Server = {
    requests,
    socket: peer,
    answer: (id, text = `answer ${id}`) => void peer.write(frameOf(id, text)),
    write: (bytes) => void peer.write(bytes),
  };
  const pipe = new RequestPipe(socket, {
    peer: 'broker:9092',
    clock,
    inFlightRequestsMax: 10,
    queuedRequestsMax: 10,
    responseBytesMax: 10_000,
    unresponsiveMsMax: 5_000,
    ...options,
  });
  return { pipe, server, clock };
}

function ask(text: string, more: Partial<PipeRequest<string>> = {}): PipeRequest<string> {
  return {
    label: text,
    encode: (id) => [frameOf(id, text)],
    decode: (frame) => frame.subarray(4).toString(),
    timeoutMs: 1000,
    ...more,
  };
}

/** Keeps the outcome of a promise without leaving a rejection unhandled. */
function outcome(promise: Promise<unknown>): { value?: unknown; error?: { code: string; message: string } } {
  const result: ReturnType<typeof outcome> = {};
  promise.then(
    (value) => {
      result.value = value;
    },
    (error) => {
      result.error = error;
    },
  );
  return result;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('RequestPipe', () => {
  it('pipelines requests and matches the responses', async () => {
    const { pipe, server } = await startPipe();
    const answers = [pipe.request(ask('a')), pipe.request(ask('b')), pipe.request(ask('c'))];
    await until(() => server.requests.length === 3);
    for (const { id, text } of server.requests) {
      server.answer(id, text.toUpperCase());
    }
    expect(await Promise.all(answers)).toEqual(['A', 'B', 'C']);
    expect(pipe.inFlightCount).toBe(0);
  });

  it('drops a late response and goes on with the next', async () => {
    const { pipe, server, clock } = await startPipe();
    const late = outcome(pipe.request(ask('slow')));
    await until(() => server.requests.length === 1);
    clock.advance(1000);
    await until(() => late.error !== undefined);
    expect(late.error).toMatchObject({ code: 'NETWORK_REQUEST_TIMED_OUT', retriable: true });
    expect(late.error?.message).toContain('slow to broker:9092 timed out after 1000 ms');
    const next = pipe.request(ask('next'));
    await until(() => server.requests.length === 2);
    server.answer(0, 'too late');
    server.answer(1, 'in time');
    expect(await next).toBe('in time');
    expect(pipe.open).toBe(true);
  });

  it('gives up a broker that sends nothing for long after a request timed out', async () => {
    const { pipe, clock } = await startPipe();
    const lost = outcome(pipe.request(ask('a')));
    const second = outcome(pipe.request(ask('b', { timeoutMs: 100_000 })));
    clock.advance(1000);
    clock.advance(4999);
    expect(pipe.open).toBe(true);
    clock.advance(1);
    expect((await pipe.closed).code).toBe('NETWORK_BROKER_UNRESPONSIVE');
    await until(() => second.error !== undefined);
    expect(lost.error?.code).toBe('NETWORK_REQUEST_TIMED_OUT');
    expect(second.error).toMatchObject({ code: 'NETWORK_BROKER_UNRESPONSIVE', retriable: true });
  });

  it.each([
    ['out of order', 1],
    ['to no request', 77],
  ])('closes on a response %s', async (_, id) => {
    const { pipe, server } = await startPipe();
    const answers = [outcome(pipe.request(ask('a'))), outcome(pipe.request(ask('b')))];
    await until(() => server.requests.length === 2);
    server.answer(id);
    expect(await pipe.closed).toMatchObject({ code: 'NETWORK_UNEXPECTED_RESPONSE' });
    await until(() => answers.every((answer) => answer.error !== undefined));
    expect(answers[0]?.error).toMatchObject({ code: 'NETWORK_CONNECTION_LOST', retriable: true });
  });

  it('closes on a response when nothing was asked', async () => {
    const { pipe, server } = await startPipe();
    server.answer(0);
    expect((await pipe.closed).message).toContain('no request is unanswered');
  });

  it('rejects all that is under way when the connection is cut in the middle of a response', async () => {
    const { pipe, server } = await startPipe();
    const answers = [outcome(pipe.request(ask('a'))), outcome(pipe.request(ask('b')))];
    await until(() => server.requests.length === 2);
    server.write(frameOf(0, 'whole').subarray(0, 9));
    server.socket.end();
    await until(() => answers.every((answer) => answer.error !== undefined));
    expect(answers.map((answer) => answer.error?.code)).toEqual(['NETWORK_CONNECTION_LOST', 'NETWORK_CONNECTION_LOST']);
    const after = outcome(pipe.request(ask('c')));
    await until(() => after.error !== undefined);
    expect([...answers, after].map(({ error }) => error?.message)).toEqual([
      'a was not answered: connection to broker:9092 was lost: the broker closed it',
      'b was not answered: connection to broker:9092 was lost: the broker closed it',
      'c was not sent: connection to broker:9092 was lost: the broker closed it',
    ]);
  });

  it('keeps requests back above the bound in flight, and refuses those above the bound of the queue', async () => {
    const { pipe, server } = await startPipe({ inFlightRequestsMax: 2, queuedRequestsMax: 2 });
    const answers = ['a', 'b', 'c', 'd'].map((text) => outcome(pipe.request(ask(text))));
    const refused = outcome(pipe.request(ask('e')));
    await until(() => refused.error !== undefined);
    expect(refused.error?.code).toBe('NETWORK_TOO_MANY_REQUESTS');
    await until(() => server.requests.length === 2);
    server.answer(0);
    await until(() => server.requests.length === 3);
    server.answer(1);
    server.answer(2);
    await until(() => server.requests.length === 4);
    server.answer(3);
    await until(() => answers.every((answer) => answer.value !== undefined));
  });

  it('lets a queued request time out without sending it', async () => {
    const { pipe, server, clock } = await startPipe({ inFlightRequestsMax: 1 });
    const first = pipe.request(ask('a', { timeoutMs: 60_000 }));
    const queued = outcome(pipe.request(ask('b')));
    await until(() => server.requests.length === 1);
    clock.advance(1000);
    await until(() => queued.error !== undefined);
    expect(queued.error?.message).toContain('could not be sent');
    server.answer(0);
    await first;
    expect(server.requests.length).toBe(1);
  });

  it('rejects an aborted request at once and drops its response', async () => {
    const { pipe, server } = await startPipe();
    const controller = new AbortController();
    const aborted = outcome(pipe.request(ask('a', { signal: controller.signal })));
    await until(() => server.requests.length === 1);
    controller.abort(new Error('changed my mind'));
    await until(() => aborted.error !== undefined);
    expect(aborted.error).toMatchObject({ code: 'NETWORK_REQUEST_ABORTED', retriable: false });
    const next = pipe.request(ask('b'));
    server.answer(0);
    server.answer(1, 'fine');
    expect(await next).toBe('fine');
    const before = outcome(pipe.request(ask('c', { signal: controller.signal })));
    await until(() => before.error !== undefined);
    expect(server.requests.map((request) => request.text)).toEqual(['a', 'b']);
  });

  it('wraps correlation ids at 2^31', async () => {
    const { pipe, server } = await startPipe({ correlationIdFirst: 0x7fffffff });
    const answers = [pipe.request(ask('a')), pipe.request(ask('b'))];
    await until(() => server.requests.length === 2);
    expect(server.requests.map((request) => request.id)).toEqual([0x7fffffff, 0]);
    server.answer(0x7fffffff);
    server.answer(0);
    await Promise.all(answers);
  });

  it('has one timer for all requests, and none that spins', async () => {
    const { pipe, server, clock } = await startPipe();
    const answers = Array.from({ length: 10 }, (_, index) =>
      pipe.request(ask(`${index}`, { timeoutMs: 1000 + index })),
    );
    expect(clock.pendingCount).toBe(1);
    await until(() => server.requests.length === 10);
    for (let id = 0; id < 10; id += 1) {
      server.answer(id);
    }
    await Promise.all(answers);
    clock.advance(1000);
    expect(clock.pendingCount).toBe(0);
  });

  it('sends one-way requests without waiting for an answer', async () => {
    const { pipe, server } = await startPipe();
    await pipe.sendOneWay({ label: 'fire', encode: (id) => [frameOf(id, 'fire')], timeoutMs: 1000 });
    await until(() => server.requests.length === 1);
    const next = pipe.request(ask('ask'));
    server.answer(1, 'here');
    expect(await next).toBe('here');
  });

  it('lets urgent requests pass while the others are held', async () => {
    const { pipe, server } = await startPipe();
    pipe.hold();
    const held = pipe.request(ask('held'));
    const urgent = pipe.request(ask('urgent', { urgent: true }));
    await until(() => server.requests.length === 1);
    expect(server.requests[0]?.text).toBe('urgent');
    server.answer(1);
    await urgent;
    pipe.release();
    await until(() => server.requests.length === 2);
    server.answer(0);
    await held;
  });

  it('rests as long as the broker asks for', async () => {
    const { pipe, server, clock } = await startPipe();
    pipe.throttle(500);
    const answer = pipe.request(ask('patient'));
    clock.advance(499);
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.requests.length).toBe(0);
    clock.advance(1);
    await until(() => server.requests.length === 1);
    server.answer(0);
    await answer;
  });

  it('rejects only the request whose response does not decode', async () => {
    const { pipe, server } = await startPipe();
    const bad = outcome(
      pipe.request(
        ask('bad', {
          decode: () => {
            throw new Error('truncated');
          },
        }),
      ),
    );
    const good = pipe.request(ask('good'));
    server.answer(0);
    server.answer(1, 'fine');
    expect(await good).toBe('fine');
    expect(bad.error?.code).toBe('NETWORK_UNEXPECTED_RESPONSE');
  });

  it.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'HTTP', false],
    ['a TLS alert', Buffer.from('15030300020250', 'hex'), 'set the option "tls"', false],
    ['a negative size', Buffer.from('ffffffff', 'hex'), 'negative', true],
    ['a huge size', Buffer.from('7fffffff', 'hex'), 'responseBytesMax', true],
  ])('says what is wrong when the peer answers with %s', async (_, bytes, reason, retriable) => {
    const { pipe, server } = await startPipe();
    server.write(bytes);
    expect(await pipe.closed).toMatchObject({ message: expect.stringContaining(reason), retriable });
  });
});
