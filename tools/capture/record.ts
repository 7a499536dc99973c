/** Records a session of every foreign client against Apache Kafka, and writes the fixtures that packages/protocol reads. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  connectKafkaJs,
  type ForeignClient,
  javaClients,
  kafkajs,
  kcat,
  platformatic,
  sampleRecords,
} from '../clients/index.ts';
import { freePort, KAFKA_3, KAFKA_4, kafkaTool, startApacheKafka } from '../kafka/index.ts';
import { root } from '../source/index.ts';
import { administerWithJava, administerWithKafkaJs, administerWithPlatformatic } from './admins.ts';
import { type CapturedFrame, startCaptureProxy } from './proxy.ts';
import { selectFrames } from './select.ts';

const FRAMES = join(root, 'packages/protocol/fixtures/captures');

/** The Kafka that answers in the recorded sessions: the last that also speaks the oldest versions. */
const BROKER = KAFKA_3;

export async function record(): Promise<void> {
  mkdirSync(FRAMES, { recursive: true });
  // The broker tells clients the proxy's port, so that their later connections pass through it too.
  const port = await freePort();
  const kafka = await startApacheKafka({ version: BROKER, advertised: { host: '127.0.0.1', port } });
  const proxy = await startCaptureProxy(kafka, port);
  const bootstrap = `127.0.0.1:${port}`;
  const rows: string[] = [];
  try {
    const clients = [kcat, kafkajs, platformatic, ...javaClients];
    await createTopics(bootstrap, clients);
    for (const client of clients) {
      const captured: CapturedFrame[] = [];
      proxy.onFrame = (frame) => captured.push(frame);
      await session(client, bootstrap);
      proxy.onFrame = () => undefined;
      const lines = selectFrames(captured).map((line) => `${JSON.stringify(line)}\n`);
      const file = `${client.name}.jsonl`;
      writeFileSync(join(FRAMES, file), lines.join(''));
      rows.push(`| \`${file}\` | ${await client.version()} | ${lines.length} |\n`);
      console.log(`${file}: ${captured.length} frames seen, ${lines.length} kept`);
    }
    writeFileSync(join(FRAMES, 'README.md'), framesReadme(rows));
  } finally {
    await proxy.close();
    await kafka.stop();
  }
}

/** The topics are there before anything is recorded, so that a session is its client's alone. */
async function createTopics(bootstrap: string, clients: readonly ForeignClient[]): Promise<void> {
  const admin = connectKafkaJs(bootstrap).admin();
  await admin.connect();
  const names = clients.flatMap((client) => client.codecs.map((codec) => `${client.name}-${codec}`));
  await admin.createTopics({ topics: names.map((topic) => ({ topic, numPartitions: 1 })) });
  await admin.disconnect();
}

/** One client's round: it writes with every codec, reads alone and in a group, and administers. */
async function session(client: ForeignClient, bootstrap: string): Promise<void> {
  for (const codec of client.codecs) {
    const topic = `${client.name}-${codec}`;
    const records = sampleRecords(client.name, codec);
    await client.produce(bootstrap, topic, codec, records);
    await client.consume(bootstrap, topic, records.length);
    await client.consumeInGroup(bootstrap, topic, `${topic}-group`, records.length);
  }
  const [topic, group] = [`${client.name}-admin`, `${client.name}-admin-group`];
  if (client === kafkajs) {
    await administerWithKafkaJs(bootstrap, topic, group);
  } else if (client === platformatic) {
    await administerWithPlatformatic(bootstrap, topic, group);
  } else if (client.name.startsWith('java')) {
    const version = client.name === 'java-3.9' ? KAFKA_3 : KAFKA_4;
    await administerWithJava(bootstrap, topic, group, version);
    const verifiable = ['--bootstrap-server', bootstrap, '--topic', topic, '--max-messages', '3'];
    await kafkaTool('kafka-verifiable-producer', verifiable, { version });
  }
}

function framesReadme(rows: readonly string[]): string {
  return `# Frames of real sessions

Bytes that nobody here encoded: each line is one frame, without its size prefix, of a session between the named client and
Apache Kafka ${BROKER}. Written by \`node tools/capture/main.ts record\`; of frames that are alike only the first
few are kept.

| file | client | frames |
|---|---|---|
${rows.join('')}
A line is \`{ api, version, direction, clientId, base64 }\`: API key and version of the request (a response is read in the version
of its request), \`request\` or \`response\`, and the frame with its header.
`;
}

/** The files of a folder, for the closing line of the command. */
export function fixtureBytes(): number {
  return readdirSync(FRAMES).reduce((sum, file) => sum + readFileSync(join(FRAMES, file)).length, 0);
}
