import { afterEach, describe, expect, it } from 'vitest';
import { noMetrics } from './shared/metrics.ts';
import { TestReplicas } from './testing/test-replicas.ts';

let cluster: TestReplicas;
afterEach(() => cluster.stopAll());

describe('what a controller counts', () => {
  it('has Kafka’s names: how long brokers that come and go take it, and leaders that were out of sync', async () => {
    const observed: string[] = [];
    const counters = new Set<string>();
    cluster = await TestReplicas.start(1);
    cluster.metricsOf = (id) => ({
      ...noMetrics,
      histogram: (name) => ({ observe: (ms) => void (ms >= 0 && observed.push(`${id} ${name}`)) }),
      counter: (name) => {
        counters.add(name);
        return { add: () => {} };
      },
    });
    // As the controller it counts from its next start on.
    await cluster.stop(1);
    await cluster.start(1);
    await cluster.start(2);
    await cluster.kill(2);
    const name = 'kafka_controller_controllerstats_leaderelectionrateandtimems';
    expect(observed.filter((each) => each.endsWith(name))).toEqual([`1 ${name}`, `1 ${name}`]);
    expect([...counters].filter((each) => each.includes('controllerstats'))).toEqual([
      'kafka_controller_controllerstats_uncleanleaderelections_total',
    ]);
  });
});
