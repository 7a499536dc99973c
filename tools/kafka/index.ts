/** Apache Kafka for tests, captures and benches: a broker and its command-line tools, from Maven's jars. */
export { type ApacheKafka, freePort, startApacheKafka } from './broker.ts';
export { cacheFolder, KAFKA_3, KAFKA_4, kafkaClassPath } from './jars.ts';
export { ended, javaArguments, kafkaTool, kafkaToolNames, type ToolResult } from './tool.ts';
