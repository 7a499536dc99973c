import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exposition } from '../metrics/exposition.ts';

/** What `/health` answers: `up` once the broker serves. */
export interface Health {
  readonly status: 'starting' | 'up' | 'stopping';
  readonly brokerId: number;
  readonly clusterId: string | null;
  readonly partitions: number;
  /** Log folders that have failed since the start. */
  readonly offlineLogDirs: readonly string[];
  /** Log folders on a full disk: what is there is served, and whoever writes is told to try again. */
  readonly fullLogDirs: readonly string[];
}

/** What `/health` answers for a cluster of several brokers: `degraded` while one of them does not serve. */
export interface ClusterHealth {
  readonly status: 'starting' | 'up' | 'degraded';
  /** Those that call themselves well. */
  readonly brokers: readonly number[];
  readonly brokersWanted: number;
  readonly offlineLogDirs: readonly string[];
  readonly fullLogDirs: readonly string[];
}

/** What answers where neither metrics nor health are asked for. */
export interface HttpSite {
  handle(request: IncomingMessage, response: ServerResponse): void;
}

export interface HttpServerOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly exposition: Exposition;
  readonly health: () => Promise<Health | ClusterHealth>;
  /** Called when it is first asked for something else. */
  readonly site?: (() => Promise<HttpSite>) | undefined;
}

/** A site's addresses have names of groups in them, of 32,767 bytes at most, each of which takes three characters. */
const HEAD_BYTES_MAX = 128 * 1024;

/** Serves `/metrics` and `/health`, which change nothing, and leaves the rest to a site where there is one. */
export class HttpServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Binds and starts to serve. Rejects with the system's error when the port cannot be had. */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    // An import would read every export, and some of them load a whole HTTP client with HTTP/2 when they are read: 10 MB of memory.
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer({ maxHeaderSize: HEAD_BYTES_MAX }, (request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0];
      if (path === '/metrics') void answerMetrics(options.exposition, response);
      else if (path === '/health') void answerHealth(options.health, response);
      else if (options.site === undefined) answer(response, 404, 'text/plain', 'This port has /metrics and /health.\n');
      else void handOver(options.site, request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.unref();
    return new HttpServer(server);
  }

  /** The bound port. */
  get port(): number {
    // Listening on a port, so the address is one of IP.
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answerMetrics(exposition: Exposition, response: ServerResponse): Promise<void> {
  try {
    const { contentType, text } = await exposition.render();
    answer(response, 200, contentType, text);
  } catch (error) {
    answer(response, 500, 'text/plain', `${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function handOver(
  site: () => Promise<HttpSite>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    (await site()).handle(request, response);
  } catch (error) {
    answer(response, 503, 'text/plain', `${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function answerHealth(look: HttpServerOptions['health'], response: ServerResponse): Promise<void> {
  try {
    const health = await look();
    const isHealthy = health.status === 'up' && health.offlineLogDirs.length === 0;
    answer(response, isHealthy ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
  } catch (error) {
    // A look that fails must not end what it looks at.
    answer(response, 500, 'text/plain', `${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function answer(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
