/**
 * `node tools/capture/main.ts record` writes the fixtures anew, from sessions with Apache Kafka.
 * `node tools/capture/main.ts proxy --target HOST:PORT [--port N] [--out FILE]` records a session of your own; the broker must
 * advertise the proxy's port.
 */
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { startCaptureProxy } from './proxy.ts';
import { fixtureBytes, record } from './record.ts';

const [command, ...args] = process.argv.slice(2);
if (command === 'record') {
  await record();
  console.log(`${(fixtureBytes() / 1024).toFixed(0)} KiB of frames`);
} else if (command === 'proxy') {
  await passThrough(args);
} else {
  console.error('usage: node tools/capture/main.ts record');
  console.error('       node tools/capture/main.ts proxy --target HOST:PORT [--port 9092] [--out frames.jsonl]');
  process.exitCode = 2;
}

async function passThrough(rest: string[]): Promise<void> {
  const { values } = parseArgs({
    args: rest,
    options: {
      target: { type: 'string', default: '127.0.0.1:9192' },
      port: { type: 'string', default: '9092' },
      out: { type: 'string' },
    },
  });
  const at = values.target.lastIndexOf(':');
  const target = { host: values.target.slice(0, at), port: Number(values.target.slice(at + 1)) };
  const out = values.out === undefined ? undefined : createWriteStream(values.out);
  const proxy = await startCaptureProxy(target, Number(values.port));
  console.log(`127.0.0.1:${proxy.port} -> ${values.target}`);
  proxy.onFrame = ({ bytes, ...frame }) => {
    const { connection, direction, apiKey, apiVersion, correlationId, clientId } = frame;
    const arrow = direction === 'request' ? '>' : '<';
    console.log(
      `${connection} ${arrow} api ${apiKey} v${apiVersion} #${correlationId} ${clientId ?? '-'} ${bytes.length} bytes`,
    );
    out?.write(`${JSON.stringify({ ...frame, base64: bytes.toString('base64') })}\n`);
  };
}
