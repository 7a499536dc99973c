/**
 * The console: brokers, topics, messages and groups of Kafka-compatible clusters in a browser.
 * @packageDocumentation
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Logger, silentLogger } from '@millrace/client';
import { listenFault } from '@millrace/ports';
import type { FastifyInstance } from 'fastify';

import { HEAD_BYTES_MAX } from './api/names.ts';
import { Cluster, type ClusterConnection } from './clusters/cluster.ts';
import { ConsoleError } from './errors.ts';
import { type OidcOptions, oidcSettings } from './login/options.ts';
import { checkMasks, type MaskRule } from './messages/mask.ts';
import { type ConsoleUser, Guard } from './server/guard.ts';
import { readPage } from './server/page-files.ts';
import { version } from './version.ts';

export type { Grant, Role } from './api/roles.ts';
export type { ClusterConnection } from './clusters/cluster.ts';
export { ConsoleError, type ConsoleErrorCode } from './errors.ts';
export type { OidcOptions, OidcRole } from './login/options.ts';
export { hashPassword, isHashedPassword } from './login/passwords.ts';
export type { MaskRule } from './messages/mask.ts';
export type { SchemaRegistryConnection } from './schemas/registry.ts';
export type { ConsoleUser } from './server/guard.ts';

/** How a console is set up. */
export interface ConsoleOptions {
  /** The clusters that it shows, by the names that people read. */
  readonly clusters: Readonly<Record<string, ClusterConnection>>;
  /** Who may log in. Without anybody, whoever comes from this machine may do everything, and nobody else may come. */
  readonly users?: readonly ConsoleUser[] | undefined;
  /** People log in at an OpenID Connect provider. Users may then come by name and password too, as programs do. */
  readonly oidc?: OidcOptions | undefined;
  /** Nothing can be changed. False by default. */
  readonly isReadOnly?: boolean | undefined;
  /** Fields of messages that nobody is shown, and that no search finds. */
  readonly masks?: readonly MaskRule[] | undefined;
  /** Host names beside localhost under which it is reached. */
  readonly hosts?: readonly string[] | undefined;
  /** pino or alike; changes are told at `info` with `audit: true`. Silent by default. */
  readonly logger?: Logger | undefined;
}

/** A console, to be put into a server or to listen by itself. */
export interface Console {
  /** Answers a request of any server of Node. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /**
   * Listens by itself; resolves with the port.
   * @throws ConsoleError `CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK` for an address that others reach, without users or a provider;
   *   `CONSOLE_LISTEN_FAILED` where the port cannot be had
   */
  listen(options: { readonly host?: string | undefined; readonly port: number }): Promise<number>;
  /** Ends its connections to clusters and browsers. */
  close(): Promise<void>;
}

/**
 * Looks through a login at a provider without asking the provider.
 * @throws ConsoleError `CONSOLE_OIDC_INVALID` where something is missing, or could be read by others on its way
 */
export function checkOidc(options: OidcOptions): void {
  oidcSettings(options);
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * Makes a console. It connects to a cluster when somebody first looks at it.
 * @throws ConsoleError `CONSOLE_OIDC_INVALID` where a login at a provider is not whole, or the provider cannot be reached;
 *   `CONSOLE_PASSWORD_INVALID` where a user's password begins like a hash and is none; `CONSOLE_USERS_INVALID` where two users have one
 *   name; `CONSOLE_MASK_INVALID` where a mask could hide nothing
 *
 * @example
 * ```ts
 * const console = await createConsole({ clusters: { local: { bootstrapServers: 'localhost:9092' } } });
 * await console.listen({ port: 8080 });
 * ```
 */
export async function createConsole(options: ConsoleOptions): Promise<Console> {
  checkMasks(options.masks ?? []);
  checkNames(options.users ?? []);
  const clusters = new Map(
    Object.entries(options.clusters).map(([name, at]) => [name, new Cluster(name, at, options.masks)]),
  );
  for (const cluster of clusters.values()) cluster.check();
  const users = options.users ?? [];
  const { oidc: login, isReadOnly = false, logger = silentLogger } = options;
  const oidc = login === undefined ? undefined : await (await import('./login/oidc.ts')).Oidc.open(login);
  const hosts = (options.hosts ?? []).map((host) => host.toLowerCase());
  const guard = new Guard({ users, oidc, isReadOnly, hosts });
  // A console that nobody looks at has none of the server's libraries in memory.
  let app: Promise<FastifyInstance> | undefined;
  const load = async (): Promise<FastifyInstance> => {
    const { buildApp } = await import('./server/app.ts');
    return buildApp({ clusters, guard, oidc, logger, version: version(), page: () => readPage() });
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    app ??= load();
    app.then(
      ({ routing }) => routing(request, response),
      (err: unknown) => {
        logger.error({ err }, 'The console could not be loaded');
        response.writeHead(500).end();
      },
    );
  };
  let server: Server | undefined;
  return {
    handle,
    async listen({ host = '127.0.0.1', port }) {
      if (users.length === 0 && oidc === undefined && !LOOPBACK.has(host)) {
        throw new ConsoleError(
          'CONSOLE_LOGIN_REQUIRED_BEYOND_LOOPBACK',
          `Others could reach the console at ${host} and change everything: give users who may log in, or listen on 127.0.0.1`,
        );
      }
      // An import would read every export, and some of them load a whole HTTP client when they are read: 10 MB of memory.
      server = process.getBuiltinModule('node:http').createServer({ maxHeaderSize: HEAD_BYTES_MAX }, handle);
      return listenOn(server, host, port);
    },
    async close() {
      const open = server;
      if (open !== undefined) {
        const closed = new Promise<void>((resolve) => open.close(() => resolve()));
        open.closeAllConnections();
        await closed;
      }
      await app?.then(
        (made) => made.close(),
        () => undefined,
      );
      await Promise.all([...clusters.values()].map((cluster) => cluster.close()));
    },
  };
}

/** With two of one name it would hang on the password who somebody is. */
function checkNames(users: readonly ConsoleUser[]): void {
  const names = new Set<string>();
  for (const { name } of users) {
    if (names.has(name)) {
      throw new ConsoleError('CONSOLE_USERS_INVALID', `There are two users of the name ${name}: give each one line`);
    }
    names.add(name);
  }
}

function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void => {
      const what = `Cannot serve the console on ${host}, port ${port}: ${listenFault(cause)}`;
      reject(new ConsoleError('CONSOLE_LISTEN_FAILED', what, { cause }));
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      // Listening on a port, so the address is one of IP.
      resolve((server.address() as AddressInfo).port);
    });
  });
}
