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
  /** The brokers that have told that they serve, and have not ended since: each is asked how it is. */
  readonly serving: () => readonly ReadyMember[];
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
    const { host, port, makeSite, logger, brokers, serving } = options;
    const site = new LazySite(async () =>
      makeSite({ endpoints: (await members).flatMap(({ endpoints }) => endpoints), logger }),
    );
    let isStarted = false;
    members.then(
      () => {
        isStarted = true;
      },
      () => undefined,
    );
    try {
      const server = await HttpServer.listen({
        host,
        port,
        exposition: new Exposition(new MetricRegistry()),
        health: async () => {
          const answers = await Promise.all(serving().map((member) => answerOf(host, member)));
          const offlineLogDirs = answers.flatMap((each) => each.offlineLogDirs);
          const fullLogDirs = answers.flatMap((each) => each.fullLogDirs);
          const ids = answers.filter(({ isUp }) => isUp).map(({ brokerId }) => brokerId);
          const status = !isStarted ? 'starting' : ids.length === brokers ? 'up' : 'degraded';
          ids.sort((one, other) => one - other);
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

/** How a broker is, by its own health. */
interface Answer extends Pick<ClusterHealth, 'offlineLogDirs' | 'fullLogDirs'> {
  readonly brokerId: number;
  /** Whether it calls itself well: one that does not answer does not. */
  readonly isUp: boolean;
}

/** Asks a broker how it is. */
function answerOf(host: string | undefined, { brokerId, httpPort: port }: ReadyMember): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const nothing = (): void => resolve({ brokerId, isUp: false, offlineLogDirs: [], fullLogDirs: [] });
  if (port === undefined) {
    nothing();
    return promise;
  }
  const { get } = process.getBuiltinModule('node:http');
  const options = { host: host ?? 'localhost', port, path: '/health', timeout: ANSWER_MS_MAX, agent: false };
  const request = get(options, (response) => void readAnswer(brokerId, response).then(resolve, nothing));
  request.on('timeout', () => request.destroy());
  request.on('error', nothing);
  return promise;
}

async function readAnswer(brokerId: number, response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const part of response) text += String(part);
  const { offlineLogDirs = [], fullLogDirs = [] } = JSON.parse(text) as Partial<Answer>;
  return { brokerId, isUp: response.statusCode === 200, offlineLogDirs, fullLogDirs };
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
