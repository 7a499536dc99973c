/** Requests made by hand to a cluster of Apache Kafka 3.9.1 in ZooKeeper mode (stale epochs, unknown things), with what it answered. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { type AnyApi, apiByKey, decodeRequestFrame } from '@millrace/protocol';
import { paths } from '../store/znodes.ts';
import type { TestReplicas } from './test-replicas.ts';

/** What was asked, of which broker, API, version, request and response in hex. */
export type Probe = readonly [
  what: string,
  to: number,
  key: number,
  version: number,
  request: string,
  response: string,
];

/** The topic that most of them are about. */
export const PROBED_TOPIC = { name: 'orders', id: 'FORnF8izRKOy1IoQHyq5MQ' };

/** The controller epoch of the cluster that was asked. */
const CONTROLLER_EPOCH = 4;

/** Of the registrations of its brokers, by id. */
const BROKER_EPOCHS: ReadonlyMap<number, number> = new Map([
  [1, 682],
  [2, 582],
  [3, 609],
]);

/** All of them. */
export function capturedProbes(): Probe[] {
  const file = join(import.meta.dirname, '../commands/fixtures/probes.jsonl.br');
  const lines = brotliDecompressSync(readFileSync(file)).toString().trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Probe);
}

/** Puts the numbers of a cluster of ours into requests in place of the other's. */
export class Translation {
  readonly #epochs = new Map<number, number>();
  readonly #controllerEpoch: number;
  readonly #topicId: string;

  private constructor(controllerEpoch: number, topicId: string) {
    this.#controllerEpoch = controllerEpoch;
    this.#topicId = topicId;
  }

  /** What broker 2, the controller, has the numbers of. */
  static async of(cluster: TestReplicas, topicId = PROBED_TOPIC.id): Promise<Translation> {
    const made = new Translation(cluster.broker(2).services.controller.epoch, topicId);
    for (const [id, epoch] of BROKER_EPOCHS) {
      const own = await cluster.store.exists(paths.brokerId(id));
      if (own === undefined) throw new Error(`Broker ${id} is not registered`);
      for (const distance of [-1, 0, 1]) made.#epochs.set(epoch + distance, own.czxid + distance);
    }
    return made;
  }

  /** The epoch that a broker here has for one of there. */
  brokerEpoch(epoch: number): number {
    return this.#epochs.get(epoch) ?? epoch;
  }

  /** A request of ours. */
  request({ api, request }: { readonly api: AnyApi; readonly request: string }): unknown {
    const frame = decodeRequestFrame(Buffer.from(request, 'hex'));
    if (frame === undefined) throw new Error(`A captured ${api.name} cannot be decoded`);
    return this.#translated(frame.body);
  }

  #translated(value: unknown): unknown {
    if (value === PROBED_TOPIC.id) return this.#topicId;
    if (Array.isArray(value)) return value.map((each) => this.#translated(each));
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => {
        if (name === 'brokerEpoch') return [name, this.brokerEpoch(each as number)];
        if (name === 'controllerEpoch') return [name, (each as number) - CONTROLLER_EPOCH + this.#controllerEpoch];
        return [name, this.#translated(each)];
      }),
    );
  }
}

/** The API that a probe speaks. */
export function apiOf([, , key]: Probe): AnyApi {
  const api = apiByKey.get(key);
  if (api === undefined) throw new Error(`API ${key} is not known`);
  return api;
}
