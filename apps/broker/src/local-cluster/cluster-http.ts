import type { IncomingMessage } from 'node:http';
import type { Logger } from '@millrace/broker';
import { type ClusterHealth, HttpServer, type HttpSite } from '../http/http-server.ts';
import { LazySite, type MakeSite } from '../http/lazy-site.ts';
import { Exposition } from '../metrics/exposition.ts';
import { MetricRegistry } from '../metrics/registry.ts';
import type { ReadyMember } from './supervisor.ts';

/** What serves a cluster as a whole over HTTP. */
export interface ClusterHttpOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly makeSite: MakeSite;
  readonly logger: Logger;
  readonly brokers: number;
  /** Brokers whose processes run. */
  readonly running: () => ReadonlySet<number>;
}

/**
 * The port of a local cluster as a whole, in the process that outlives every broker: the site that each broker's own port leads to, the
 * health of all, and the metrics of this process.
 */
export class ClusterHttp {
  readonly #server: HttpServer;
  readonly #site: LazySite;

  private constructor(server: HttpServer, site: LazySite) {
    this.#server = server;
    this.#site = site;
  }

  /** Undefined where the port is another's: a cluster without its page is better than none. */
  static async open(
    options: ClusterHttpOptions,
    members: Promise<readonly ReadyMember[]>,
  ): Promise<ClusterHttp | undefined> {
    const { host, port, makeSite, logger, brokers, running } = options;
    const site = new LazySite(async () =>
      makeSite({ endpoints: (await members).flatMap(({ endpoints }) => endpoints), logger }),
    );
    let serving: readonly ReadyMember[] | undefined;
    members.then(
      (ready) => {
        serving = ready;
      },
      () => undefined,
    );
    try {
      const server = await HttpServer.listen({
        host,
        port,
        exposition: new Exposition(new MetricRegistry()),
        health: async () => {
          const up = running();
          const folders = await Promise.all((serving ?? []).map(({ httpPort }) => foldersOf(host, httpPort)));
          const offlineLogDirs = folders.flatMap((each) => each.offlineLogDirs);
          const fullLogDirs = folders.flatMap((each) => each.fullLogDirs);
          const isWhole = up.size === brokers && offlineLogDirs.length === 0;
          const status = serving === undefined ? 'starting' : isWhole ? 'up' : 'degraded';
          const ids = [...up].sort((a, b) => a - b);
          return { status, brokers: ids, brokersWanted: brokers, offlineLogDirs, fullLogDirs };
        },
        site: () => site.get(),
      });
      return new ClusterHttp(server, site);
    } catch (err) {
      logger.warn({ err, port }, `The console cannot have port ${port}, and is not served`);
      return undefined;
    }
  }

  get port(): number {
    return this.#server.port;
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#site.close();
  }
}

/** How long a broker may take to say how it is. */
const ANSWER_MS_MAX = 1000;

type Folders = Pick<ClusterHealth, 'offlineLogDirs' | 'fullLogDirs'>;

/** What a broker says of its log folders; nothing of one that does not answer, whose absence shows elsewhere. */
function foldersOf(host: string | undefined, port: number | undefined): Promise<Folders> {
  const { promise, resolve } = Promise.withResolvers<Folders>();
  const nothing = (): void => resolve({ offlineLogDirs: [], fullLogDirs: [] });
  if (port === undefined) {
    nothing();
    return promise;
  }
  const { get } = process.getBuiltinModule('node:http');
  const options = { host: host ?? 'localhost', port, path: '/health', timeout: ANSWER_MS_MAX, agent: false };
  const request = get(options, (response) => void readFolders(response).then(resolve, nothing));
  request.on('timeout', () => request.destroy());
  request.on('error', nothing);
  return promise;
}

async function readFolders(response: IncomingMessage): Promise<Folders> {
  let text = '';
  for await (const part of response) text += String(part);
  const { offlineLogDirs = [], fullLogDirs = [] } = JSON.parse(text) as Partial<Folders>;
  return { offlineLogDirs, fullLogDirs };
}

/** Leads whoever asks a broker for a page to the port of the whole cluster, on the host by which he has come. */
export function leadingTo(port: number): HttpSite {
  return {
    handle({ headers, url = '/' }, response) {
      const host = (headers.host ?? '').replace(/:\d+$/, '') || 'localhost';
      // An address that begins with two slashes would be another host's.
      const path = url.replace(/^\/+/, '/');
      response.writeHead(307, { location: `http://${host}:${port}${path}`, 'cache-control': 'no-store' });
      response.end();
    },
  };
}
