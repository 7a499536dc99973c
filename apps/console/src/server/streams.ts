/** What comes by and by: searches with their progress, the live tail, and the bytes of one value. */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod/v3';
import type { MessageEvents } from '../api/contract.ts';
import { refusal } from '../errors.ts';
import { readMessages, readRecord, tailMessages } from '../messages/read.ts';
import { clusterOf, type HandlerContext } from './handlers.ts';
import { readPlan } from './inputs.ts';
import { failureOf, parseInput, signalOf, writeByHand, written } from './requests.ts';

/** Who reads, and for how long he may: until the session ends that he has come by. */
export interface Reader {
  readonly who: string;
  readonly ended: AbortSignal | undefined;
}

/** @throws ConsoleError where whoever asks may not read that topic */
export type MayRead = (request: FastifyRequest, topic: string) => Reader;

/** Where streams find what they read, and who may. */
interface Clusters extends Pick<HandlerContext, 'clusters' | 'turns'> {
  readonly mayRead: MayRead;
}

const streamPlan = readPlan.extend({ live: z.enum(['true', 'false']).optional() });
/** How often progress is told at most. */
const PROGRESS_MS = 100;
/** Something is sent so often, so that nobody between takes the stream for dead. */
const KEEP_ALIVE_MS = 15_000;
/** Who does not read that he has been logged out loses the connection. */
const CUT_MS = 1000;

/** Server-sent events of one stream. */
class EventStream {
  readonly #response: ServerResponse;
  readonly #timer: NodeJS.Timeout;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#timer = setInterval(() => response.write(':\n\n'), KEEP_ALIVE_MS);
    response.once('close', () => clearInterval(this.#timer));
  }

  async send<E extends keyof MessageEvents>(event: E, data: MessageEvents[E]): Promise<void> {
    await written(this.#response, frameOf(event, data));
  }

  /** Sends what others are sent too: it is made text once, and its bytes are everybody's. */
  async sendShared<E extends keyof MessageEvents>(event: E, data: MessageEvents[E]): Promise<void> {
    let frame = frames.get(data);
    if (frame === undefined) {
      frame = Buffer.from(frameOf(event, data));
      frames.set(data, frame);
    }
    await written(this.#response, frame);
  }

  /** Where the stream is: a browser that is cut off sends it back when it comes again. It is no event by itself. */
  async place(place: string): Promise<void> {
    await written(this.#response, `id: ${place}\n\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#response.end();
  }

  /** Says why, and ends whatever is still to be written: for somebody who may not read any more. */
  cut(failure: MessageEvents['failed']): void {
    clearInterval(this.#timer);
    this.#response.end(frameOf('failed', failure));
    const timer = setTimeout(() => this.#response.destroy(), CUT_MS);
    this.#response.once('close', () => clearTimeout(timer));
  }
}

/** The bytes of what several are sent, for as long as it is there. */
const frames = new WeakMap<object, Buffer>();

function frameOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** `GET .../stream`: the messages of a plan as they are found, or all that come from now on. */
export function serveStreams(app: FastifyInstance, options: Clusters): void {
  app.get('/api/clusters/:cluster/topics/:topic/stream', async (request, reply) => {
    const { cluster, topic, live, ...plan } = parseInput(streamPlan, request);
    const { who, ended } = options.mayRead(request, topic);
    const { turns } = options;
    const signal = signalOf(request, reply, ended);
    const read = { cluster: clusterOf(options, cluster), topic, plan, signal, who, turns };
    writeByHand(reply, { 'content-type': 'text/event-stream' });
    reply.raw.flushHeaders();
    const events = new EventStream(reply.raw);
    signal.addEventListener('abort', () => {
      if (ended?.aborted === true) events.cut(told(refusal('CONSOLE_LOGIN_NEEDED', 'sessionEnded')));
    });
    try {
      if (live === 'true') await tail(read, events, request.headers['last-event-id']);
      else await search(read, events);
    } catch (error) {
      await events.send('failed', told(error));
    } finally {
      events.end();
    }
  });
}

/** A failure as the page is told it. */
function told(error: unknown): MessageEvents['failed'] {
  const { status: _, ...failure } = failureOf(error);
  return failure;
}

async function tail(
  read: Parameters<typeof tailMessages>[0],
  events: EventStream,
  from: string | string[] | undefined,
): Promise<void> {
  const listener = {
    ...tellTo(events),
    messages: (some: MessageEvents['messages']) => events.sendShared('messages', some),
    inPart: (records: number) => events.send('inPart', { records }),
    gap: (gap: MessageEvents['gap']) => events.send('gap', gap),
    place: (place: string) => events.place(place),
  };
  await tailMessages(read, listener, from === undefined ? undefined : String(from));
}

function tellTo(events: EventStream) {
  return {
    messages: (messages: MessageEvents['messages']) => events.send('messages', messages),
    marks: (marks: MessageEvents['marks']) => events.send('marks', marks),
    unread: (unread: MessageEvents['unread']) => events.send('unread', unread),
  };
}

async function search(read: Parameters<typeof readMessages>[0], events: EventStream): Promise<void> {
  let toldMs = 0;
  const end = await readMessages(read, {
    ...tellTo(events),
    progress: (progress) => {
      if (performance.now() - toldMs < PROGRESS_MS) return;
      toldMs = performance.now();
      void events.send('progress', progress);
    },
  });
  await events.send('end', end);
}

const rawPlace = z.object({
  cluster: z.string(),
  topic: z.string(),
  partition: z.coerce.number().int().min(0),
  offset: z.coerce.number().int().min(0),
  part: z.enum(['key', 'value']),
});

/** `GET .../raw/key|value`: the bytes themselves, as a file: whatever is in them, no browser shows them as a page. */
export function serveRaw(app: FastifyInstance, options: Clusters): void {
  app.get('/api/clusters/:cluster/topics/:topic/messages/:partition/:offset/raw/:part', async (request, reply) => {
    const { cluster, part, ...place } = parseInput(rawPlace, request);
    using _ = await options.turns.reads.take(options.mayRead(request, place.topic).who);
    const record = await readRecord(clusterOf(options, cluster), place);
    const bytes = part === 'key' ? record.rawKey : record.rawValue;
    return reply
      .header('content-disposition', `attachment; filename="${place.partition}-${place.offset}-${part}.bin"`)
      .header('cache-control', 'no-store')
      .type('application/octet-stream')
      .send(bytes ?? Buffer.alloc(0));
  });
}
