import type { Counter, Metrics } from '../shared/metrics.ts';

/** A topic's counters, looked up once and shared by its partitions. */
export interface TopicTraffic {
  readonly messagesIn: Counter;
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  readonly replicationBytesOut: Counter;
  readonly refusedProduces: Counter;
}

/** The counters of all topics that have replicas here. */
export class TrafficCounters {
  readonly #metrics: Metrics;
  readonly #byTopic = new Map<string, TopicTraffic>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  of(topic: string): TopicTraffic {
    let traffic = this.#byTopic.get(topic);
    if (traffic === undefined) {
      traffic = this.#open(topic);
      this.#byTopic.set(topic, traffic);
    }
    return traffic;
  }

  #open(topic: string): TopicTraffic {
    const counter = (name: string, help: string): Counter =>
      this.#metrics.counter(`kafka_server_brokertopicmetrics_${name}_total`, help, { topic });
    return {
      messagesIn: counter('messagesin', 'Records that were taken from producers'),
      bytesIn: counter('bytesin', 'Bytes of record batches that were taken from producers'),
      bytesOut: counter('bytesout', 'Bytes of record batches that were given to consumers'),
      replicationBytesOut: counter('replicationbytesout', 'Bytes of record batches that were given to followers'),
      refusedProduces: counter('failedproducerequests', 'Appends that were refused'),
    };
  }
}
