/** Variables that begin with `KAFKA_` in container images and are no broker settings: they steer the JVM and its logging. */
const NOT_SETTINGS = new Set([
  'KAFKA_HOME',
  'KAFKA_VERSION',
  'KAFKA_USER',
  'KAFKA_GROUP',
  'KAFKA_OPTS',
  'KAFKA_DEBUG',
  'KAFKA_HEAP_OPTS',
  'KAFKA_GC_LOG_OPTS',
  'KAFKA_JMX_OPTS',
  'KAFKA_JMX_PORT',
  'KAFKA_JMX_HOSTNAME',
  'KAFKA_JVM_PERFORMANCE_OPTS',
  'KAFKA_LOG4J_OPTS',
  'KAFKA_LOG4J_LOGGERS',
  'KAFKA_LOG4J_ROOT_LOGLEVEL',
  'KAFKA_TOOLS_LOG4J_LOGLEVEL',
]);

/** Variables that are no settings of a broker: where tools keep jars, what is not loaded, which cluster the command line speaks to. */
const NOT_OURS_TO_SET = new Set([
  'KAFKA_BOOTSTRAP_SERVERS',
  'MILLRACE_BOOTSTRAP',
  'MILLRACE_CACHE',
  'MILLRACE_IMAGE',
  'MILLRACE_NO_NATIVE',
  'MILLRACE_PROFILE',
  'MILLRACE_ZOOKEEPER',
]);

/**
 * Settings from the environment, as the container images of Apache and Confluent spell them: `KAFKA_LOG_DIRS` is
 * `log.dirs`; `_` stands for a dot, `__` for an underscore, `___` for a dash. `MILLRACE_HTTP_PORT`
 * sets `millrace.http.port` in the same way.
 */
export function settingsFromEnvironment(environment: NodeJS.ProcessEnv): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || NOT_SETTINGS.has(variable) || NOT_OURS_TO_SET.has(variable)) continue;
    if (variable.startsWith('KAFKA_')) settings.set(settingName(variable.slice('KAFKA_'.length)), value);
    else if (variable.startsWith('MILLRACE_')) settings.set(settingName(variable), value);
  }
  return settings;
}

function settingName(variable: string): string {
  return variable.toLowerCase().replace(/_{1,3}/g, (run) => (run.length === 1 ? '.' : run.length === 2 ? '_' : '-'));
}
