/** What a request asks for, how long it is waited for, and its failure in words: the same for the API and for streams. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod/v3';
import type { Failure } from '../api/contract.ts';
import { nameOf } from '../api/names.ts';
import { type RefusalWord, refusalIn, type Said } from '../api/refusals.ts';
import { ConsoleError, refusal } from '../errors.ts';

/** What is in the path, the query and the body, as one value; the path counts most. */
export function parseInput<T>(check: z.ZodType<T>, request: FastifyRequest): T {
  const given = { ...(request.query as object), ...(request.body as object | null), ...namesIn(request) };
  const result = check.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join('.') ?? 'the request';
  throw refusal('CONSOLE_BAD_REQUEST', 'badField', { field, what: issue?.message ?? 'is none' });
}

/** The names that stand in the path. */
export function namesIn(request: FastifyRequest): Readonly<Record<string, string>> {
  const parts = Object.entries(request.params as Record<string, string>);
  return Object.fromEntries(parts.map(([name, part]) => [name, nameOf(part)]));
}

/** Fires when nobody waits for the answer any more, or whoever does may not have it any more. */
export function signalOf(request: FastifyRequest, reply: FastifyReply, ended?: AbortSignal): AbortSignal {
  const aborted = new AbortController();
  reply.raw.once('close', () => aborted.abort());
  if (request.raw.destroyed && !request.raw.readableEnded) aborted.abort();
  return ended === undefined ? aborted.signal : AbortSignal.any([aborted.signal, ended]);
}

/** Begins an answer that is written by hand, with the headers that were set before: it goes past fastify. */
export function writeByHand(reply: FastifyReply, headers: Readonly<Record<string, string>>): void {
  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  reply.raw.writeHead(200, { 'cache-control': 'no-store', ...headers });
}

/** Writes; resolves when there is room for more, or nobody reads any more: whoever is slow has nothing pile up here. */
export async function written(response: ServerResponse, text: string | Buffer): Promise<void> {
  if (response.destroyed || response.writableEnded || response.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** An error as the page is told it. */
export function failureOf(error: unknown): Failure & { readonly status: number } {
  const { code, message, statusCode } = error as { code?: unknown; message?: unknown; statusCode?: unknown };
  const name = typeof code === 'string' ? code : 'CONSOLE_FAILED';
  const status = error instanceof ConsoleError ? error.status : statusOf(name, statusCode);
  // What the server's own parts refuse, before a handler has seen it, is told in our words.
  if (!(error instanceof ConsoleError) && isRefusedBefore(name, statusCode)) return refusedBefore(Number(statusCode));
  // What is not ours or Kafka's may tell more than anybody should know.
  const isTold = status !== 500 || /^(?:KAFKA|CLIENT|CONSUMER|PRODUCER|ADMIN|NETWORK)_/.test(name);
  if (error instanceof ConsoleError) return { code: name, message: error.message, said: error.said, status };
  return isTold ? { code: name, message: String(message), status } : told('inside', name, status, { code: name });
}

function isRefusedBefore(name: string, statusCode: unknown): boolean {
  return (name.startsWith('FST_') || name === 'CONSOLE_FAILED') && typeof statusCode === 'number' && statusCode < 500;
}

function refusedBefore(status: number): Failure & { readonly status: number } {
  const words: Readonly<Record<number, RefusalWord>> = {
    404: 'nothingHere',
    413: 'tooLarge',
    414: 'addressTooLong',
    415: 'noJson',
  };
  return told(words[status] ?? 'badRequest', status === 404 ? 'CONSOLE_NOT_FOUND' : 'CONSOLE_BAD_REQUEST', status);
}

function told(
  word: RefusalWord,
  code: string,
  status: number,
  values: Said['values'] = {},
): Failure & { readonly status: number } {
  const said = { word, values };
  return { code, message: refusalIn('en', said), said, status };
}

function statusOf(code: string, given: unknown): number {
  if (typeof given === 'number' && given >= 400 && given < 500) return given;
  if (/^KAFKA_(?:UNKNOWN_TOPIC|GROUP_ID_NOT_FOUND)/.test(code)) return 404;
  if (/AUTHORIZATION_FAILED$/.test(code)) return 403;
  if (/^(?:CLIENT_(?:TIMED_OUT|NO_BROKER)|NETWORK_)/.test(code)) return 503;
  return /^(?:KAFKA_|CLIENT_INVALID|PRODUCER_INVALID|CONSUMER_INVALID)/.test(code) ? 400 : 500;
}
