/** A thread of its own, so that what the attackers do in theirs does not count. Every few milliseconds one produce and one question. */
import { parentPort, workerData } from 'node:worker_threads';
import { Connection } from '@millrace/network';
import { Metadata, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';

const PAUSE_MS = 10;

// What the client that started the thread has given it.
const { port, certificate } = workerData as { readonly port: number; readonly certificate: string };

let times: number[] = [];
let failed: string[] = [];
let connection: Connection | undefined;

async function ask(): Promise<void> {
  const sentAtMs = performance.now();
  try {
    connection ??= await Connection.connect({
      host: 'localhost',
      port,
      tls: { ca: certificate },
      sasl: { mechanism: 'PLAIN', username: 'honest', password: 'honest-pw' },
    });
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, Buffer.from('honest'), []);
    const topicData = [{ name: 'honest', partitionData: [{ index: 0, records: builder.build({}) }] }];
    const { responses } = await connection.send(Produce, 9, { acks: -1, timeoutMs: 10_000, topicData });
    const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode !== 0) throw new Error(`Produce was answered with ${errorCode}`);
    await connection.send(Metadata, 9, { topics: [{ name: 'honest' }] });
    times.push(performance.now() - sentAtMs);
  } catch (error) {
    failed.push(error instanceof Error ? error.message : String(error));
    void connection?.close();
    connection = undefined;
  }
  if (isReportWanted) report();
  setTimeout(() => void ask(), PAUSE_MS);
}

let isReportWanted = false;

function report(): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
  parentPort?.postMessage({ answers: sorted.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) });
  isReportWanted = false;
  times = [];
  failed = [];
}

// What is under way counts: it is told of once that has been answered.
parentPort?.on('message', () => {
  isReportWanted = true;
});
await ask();
times = [];
parentPort?.postMessage('ready');
