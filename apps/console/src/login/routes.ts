/** The places of logging in and out: the only ones that somebody reaches who has not. */
import type { Logger } from '@millrace/client';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Language } from '../api/refusals.ts';
import type { Oidc, Turn } from './oidc.ts';
import { LOGIN_PATH } from './options.ts';

/** Whether a path is one that takes no login. */
export function isLoginPath(path: string): boolean {
  return path === LOGIN_PATH || path === `${LOGIN_PATH}/callback` || path === `${LOGIN_PATH}/out`;
}

/** Serves them. */
export function serveLogin(app: FastifyInstance, { oidc, logger }: { oidc: Oidc; logger: Logger }): void {
  app.get(LOGIN_PATH, async (request, reply) => send(reply, await oidc.begin((request.query as { to?: unknown }).to)));
  app.get(`${LOGIN_PATH}/callback`, async (request, reply) => {
    const turn = await oidc.finish(request.query as Record<string, unknown>, request.headers);
    const { user, role, grants } = turn.who;
    logger.info({ audit: true, user, route: 'login', role, grants: grants.length }, `${user} has logged in`);
    return send(reply, turn);
  });
  app.get(`${LOGIN_PATH}/out`, (_, reply) =>
    reply.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(LOGGED_OUT),
  );
  app.post('/api/logout', (request, reply) => {
    const user = oidc.whoIs(request.headers)?.user;
    const { location, cookies } = oidc.end(request.headers);
    logger.info({ audit: true, user, route: 'logout' }, `${user ?? 'somebody'} has logged out`);
    return reply.header('set-cookie', cookies).header('cache-control', 'no-store').send({ to: location });
  });
}

function send(reply: FastifyReply, { location, cookies }: Turn): FastifyReply {
  return reply.header('set-cookie', cookies).header('cache-control', 'no-store').redirect(location, 302);
}

const LOGGED_OUT = pageOf('You are logged out. 로그아웃되었습니다.', 'en');

/** Says what went wrong with a login, and where it begins anew. */
export function loginFailedPage(message: string, language: Language): string {
  return pageOf(message, language);
}

function pageOf(text: string, language: Language): string {
  const escaped = text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return (
    `<!doctype html><html lang="${language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>Millrace</title><h1>Millrace</h1><p>${escaped}</p><p><a href="${LOGIN_PATH}">Log in · 로그인</a></p></html>`
  );
}
