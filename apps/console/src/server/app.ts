/** The console's server: the guard before everything, then the API, the streams and the page. */
import type { Logger } from '@millrace/client';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod/v3';
import type { Route } from '../api/contract.ts';
import { NAME_CHARS_MAX } from '../api/names.ts';
import { refusalIn } from '../api/refusals.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { ConsoleError, refusal } from '../errors.ts';
import type { Oidc } from '../login/oidc.ts';
import { LOGIN_PATH } from '../login/options.ts';
import { isLoginPath, loginFailedPage, serveLogin } from '../login/routes.ts';
import { type ReadTurns, readTurns } from '../messages/turns.ts';
import { noted, noteTried } from './audit.ts';
import { serveExports } from './exports.ts';
import { type Asked, type Caller, type Guard, isSafe } from './guard.ts';
import { type Handler, handlers, whoReads } from './handlers.ts';
import { inputs } from './inputs.ts';
import { Exports } from './known-exports.ts';
import { isChange, needsOf } from './needs.ts';
import type { PageFile } from './page-files.ts';
import { failureOf, namesIn, parseInput, signalOf } from './requests.ts';
import { type MayRead, serveRaw, serveStreams } from './streams.ts';

/** What the server is made of. */
export interface AppOptions {
  readonly guard: Guard;
  readonly oidc: Oidc | undefined;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly version: string;
  readonly logger: Logger;
  /** Reads the page when it is first asked for. */
  readonly page: () => Promise<ReadonlyMap<string, PageFile>>;
}

const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** No script but the page's own files, and no frame around it. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; " +
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Who asks, as the guard has found out. */
export type Callers = WeakMap<FastifyRequest, Caller>;

/** Puts the server together; it listens to nothing by itself. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: NAME_CHARS_MAX + 1 },
    // An address that cannot be read is refused before the guard is asked, so that nothing is told but that.
    frameworkErrors: (_error, _request, reply) => void answerFailure(badAddress(), reply.headers(SECURITY_HEADERS)),
  });
  const { guard, oidc, logger } = options;
  const callers: Callers = new WeakMap();
  const turns = readTurns();
  const exports = new Exports();
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    const { method = 'GET', headers, httpVersion, socket } = request.raw;
    const asked = { method, to: askedOf(request), headers, httpVersion, remoteAddress: socket.remoteAddress };
    const admitted = guard.admit(asked);
    // Who has yet to log in is asked to, and has tried nothing.
    admitted.catch((error: unknown) => isForbidden(error) && noteUnadmitted(logger, request, error));
    callers.set(request, await admitted);
  });
  app.setErrorHandler((error, request, reply) =>
    oidc !== undefined && isByHand(request) ? leadToLogin(error, request, reply) : answerFailure(error, reply, oidc),
  );
  if (oidc !== undefined) serveLogin(app, { oidc, logger });
  for (const route of Object.keys(handlers) as Route[]) addRoute(app, route, { options, callers, turns, exports });
  const { clusters } = options;
  const mayRead: MayRead = (request, topic) => {
    const caller = callers.get(request) as Caller;
    guard.allow(caller, 'viewer', { on: 'topic', name: topic });
    return { who: whoReads(caller), ended: caller.ended };
  };
  serveStreams(app, { clusters, turns, mayRead });
  serveRaw(app, { clusters, turns, mayRead });
  serveExports(app, { clusters, turns, exports, mayRead });
  servePage(app, options);
  await app.ready();
  return app;
}

interface Serving {
  readonly options: AppOptions;
  readonly callers: Callers;
  readonly turns: ReadTurns;
  readonly exports: Exports;
}

function addRoute(app: FastifyInstance, route: Route, { options, callers, turns, exports }: Serving): void {
  const { guard } = options;
  const [method, url] = route.split(' ') as ['GET' | 'POST', string];
  // The table of handlers ties each route to its input; a loop over it loses sight of that.
  const handler = handlers[route] as Handler<never>;
  const check = inputs[route] as z.ZodType<never>;
  app.route({
    method,
    url,
    async handler(request, reply) {
      const caller = callers.get(request) as Caller;
      const input = parseInput(check, request);
      const { clusters, version } = options;
      reply.header('cache-control', 'no-store');
      const answer = async (): Promise<unknown> => {
        for (const { role, named } of needsOf(route, input)) guard.allow(caller, role, named);
        const signal = signalOf(request, reply, caller.ended);
        const { isReadOnly } = guard;
        return handler.run(input, { caller, isReadOnly, clusters, version, signal, turns, exports });
      };
      const change = { caller, route, input };
      return reply.send(isChange(route, input) ? await noted(options.logger, change, answer) : await answer());
    },
  });
}

/** What somebody was not let in to change: with a page of another site behind it, say. */
function noteUnadmitted(logger: Logger, request: FastifyRequest, error: unknown): void {
  const route = `${request.method} ${request.routeOptions.url}`;
  if (isSafe(request.method) || !Object.hasOwn(handlers, route)) return;
  noteTried(logger, { caller: undefined, route, input: namesIn(request) }, error);
}

function isForbidden(error: unknown): boolean {
  return error instanceof ConsoleError && error.status === 403;
}

function badAddress(): ConsoleError {
  return refusal('CONSOLE_BAD_REQUEST', 'badAddress');
}

function answerFailure(error: unknown, reply: FastifyReply, oidc?: Oidc): FastifyReply {
  const { status, ...failure } = failureOf(error);
  const loginAt = status === 401 && oidc !== undefined ? LOGIN_PATH : undefined;
  // A browser that is asked so asks its reader, who has no password here where he logs in elsewhere.
  if (status === 401 && oidc === undefined) {
    reply.header('www-authenticate', 'Basic realm="Millrace console", charset="UTF-8"');
  }
  return reply
    .status(status)
    .header('cache-control', 'no-store')
    .send({ ...failure, loginAt });
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0] ?? '/';
}

function askedOf({ routeOptions: { url } }: FastifyRequest): Asked {
  if (url === undefined) return 'page';
  return isLoginPath(url) ? 'login' : 'api';
}

/** Whether somebody has an address in his browser rather than the page asking. */
function isByHand(request: FastifyRequest): boolean {
  const wantsPage = String(request.headers.accept ?? '').includes('text/html');
  const isPage = askedOf(request) === 'page' && !pathOf(request).startsWith('/api/');
  return askedOf(request) === 'login' || (isSafe(request.method) && wantsPage && isPage);
}

/** Who has to log in is led there and comes back; what goes wrong on the way is said in words. */
function leadToLogin(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, message, said } = failureOf(error);
  const language = /^\s*ko\b/i.test(String(request.headers['accept-language'] ?? '')) ? 'ko' : 'en';
  reply.header('cache-control', 'no-store');
  if (status === 401) return reply.redirect(`${LOGIN_PATH}?to=${encodeURIComponent(request.url)}`, 302);
  return reply
    .status(status)
    .type('text/html; charset=utf-8')
    .send(loginFailedPage(said === undefined ? message : refusalIn(language, said), language));
}

/** Files of the page by name; everything else that is no file is the page, which knows its own places. */
function servePage(app: FastifyInstance, { page }: AppOptions): void {
  let read: Promise<ReadonlyMap<string, PageFile>> | undefined;
  const files = (): Promise<ReadonlyMap<string, PageFile>> => {
    read ??= page();
    read.catch(() => {
      read = undefined;
    });
    return read;
  };
  app.setNotFoundHandler(async (request, reply) => {
    const path = pathOf(request);
    if (!isSafe(request.method) || path.startsWith('/api/')) {
      throw refusal('CONSOLE_NOT_FOUND', 'noAddress', { method: request.method, path: path.slice(0, 200) });
    }
    const all = await files();
    const isAsset = path.startsWith('/assets/');
    const file = all.get(path) ?? (isAsset ? undefined : all.get('/index.html'));
    if (file === undefined) throw refusal('CONSOLE_NOT_FOUND', 'noFile');
    const isZipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    if (isZipped) reply.header('content-encoding', 'gzip');
    return reply
      .status(200)
      .header('vary', 'accept-encoding')
      .header('cache-control', file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
      .type(file.type)
      .send(isZipped ? file.zipped : file.bytes);
  });
}
