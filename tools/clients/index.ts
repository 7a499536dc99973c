/** Kafka clients that nobody here wrote, behind one interface. */
export {
  type Bootstrap,
  CLIENT_MS_MAX,
  CODECS,
  type Codec,
  type ForeignClient,
  sampleRecords,
  type TextRecord,
  within,
} from './client.ts';
export { javaClient, javaClients } from './java.ts';
export { connectKafkaJs, kafkajs } from './kafkajs.ts';
export { kcat } from './kcat.ts';
export { millrace } from './millrace.ts';
export { platformatic } from './platformatic.ts';
export { runProgram } from './program.ts';
export { administerWithPython, kafkaPython } from './python.ts';
