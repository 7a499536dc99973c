import type { Logger } from '@millrace/broker';
import { HttpServer, type HttpSite } from '../http/http-server.ts';
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
    let isServing = false;
    members.then(
      () => {
        isServing = true;
      },
      () => undefined,
    );
    try {
      const server = await HttpServer.listen({
        host,
        port,
        exposition: new Exposition(new MetricRegistry()),
        health: () => {
          const up = running();
          const isWhole = isServing && up.size === brokers;
          const status = isServing ? (isWhole ? 'up' : 'degraded') : 'starting';
          return { status, brokers: [...up].sort((a, b) => a - b), brokersWanted: brokers, offlineLogDirs: [] };
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
