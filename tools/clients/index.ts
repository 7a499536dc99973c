/** Kafka clients that nobody here wrote, behind one interface. */
export { CODECS, type ForeignClient, sampleRecords, within } from './client.ts';
export { javaClient, javaClients } from './java.ts';
export { connectKafkaJs, kafkajs } from './kafkajs.ts';
export { kcat } from './kcat.ts';
export { millrace } from './millrace.ts';
export { platformatic } from './platformatic.ts';
export { runProgram } from './program.ts';
export { administerWithPython, kafkaPython, pythonWith } from './python.ts';
