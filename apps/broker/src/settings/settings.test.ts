import { describe, expect, it } from 'vitest';
import { settingsFromEnvironment } from './environment.ts';

describe('the environment', () => {
  it('spells dots as one underscore, underscores as two and dashes as three', () => {
    const environment = { KAFKA_LOG_DIRS: '/data', KAFKA_A__B: '1', KAFKA_A___B_C: '2', PATH: '/bin' };
    expect(Object.fromEntries(settingsFromEnvironment(environment))).toEqual({
      'log.dirs': '/data',
      a_b: '1',
      'a-b.c': '2',
    });
  });

  it('leaves out what steers a JVM, and takes the settings of our own', () => {
    const environment = {
      KAFKA_HEAP_OPTS: '-Xmx1g',
      KAFKA_JMX_PORT: '99',
      MILLRACE_CACHE: '/c',
      MILLRACE_PROFILE: 'prod',
      MILLRACE_BOOTSTRAP: 'elsewhere:9092',
      KAFKA_BOOTSTRAP_SERVERS: 'elsewhere:9092',
      MILLRACE_HTTP_PORT: '0',
    };
    expect(Object.fromEntries(settingsFromEnvironment(environment))).toEqual({ 'millrace.http.port': '0' });
  });
});
