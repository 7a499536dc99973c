/**
 * A consumer of kafkajs 2.2.4 that stops, or starts anew after a failure, while it makes its fetchers anew for other brokers leaves some of
 * them behind. These find that it does not run, give back nothing, and ask again at once: promises without an end, beside which neither
 * timers nor sockets of the process get a turn. Here they wait in between; nothing else of it is touched.
 */
import { createRequire } from 'node:module';

const PAUSE_MS = 100;

interface Runner {
  readonly running: boolean;
  fetch(nodeId: number): Promise<unknown[]>;
}

// The package has no types for its inner modules.
const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as { readonly prototype: Runner };
const { fetch } = prototype;

prototype.fetch = async function (this: Runner, nodeId: number): Promise<unknown[]> {
  if (!this.running) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref());
  return fetch.call(this, nodeId);
};
