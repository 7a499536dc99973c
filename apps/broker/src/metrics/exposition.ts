import type { Metric as PrometheusMetric, Registry } from 'prom-client';
import type { Metric, MetricRegistry } from './registry.ts';

/** Renders all metrics in Prometheus' text format. */
export class Exposition {
  readonly #registry: MetricRegistry;
  readonly #exposed = new Set<string>();
  #prometheus: Promise<Registry> | undefined;

  constructor(registry: MetricRegistry) {
    this.#registry = registry;
  }

  async render(): Promise<{ contentType: string; text: string }> {
    // Loading the library costs memory and time that a broker which nobody scrapes need not spend.
    this.#prometheus ??= openPrometheus();
    const prometheus = await this.#prometheus;
    for (const metric of this.#registry.metrics) {
      if (this.#exposed.has(metric.name)) continue;
      this.#exposed.add(metric.name);
      prometheus.registerMetric(exposed(metric));
    }
    return { contentType: prometheus.contentType, text: await prometheus.metrics() };
  }
}

async function openPrometheus(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** What a registry asks of a metric is `name` and `get`; its type is that of the library's own classes. */
function exposed(metric: Metric): PrometheusMetric {
  const asked = {
    name: metric.name,
    get: async () => ({
      name: metric.name,
      help: metric.help,
      type: metric.type,
      aggregator: 'sum',
      values: Array.from(metric.samples(), ({ suffix, labels, value }) => ({
        metricName: metric.name + suffix,
        labels,
        value,
      })),
    }),
  };
  return asked as unknown as PrometheusMetric;
}
