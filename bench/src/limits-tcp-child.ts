/** The receiving side of the loopback limit; starts the sending side as a child of its own. */
import { spawn } from 'node:child_process';
import { type AddressInfo, connect, createServer } from 'node:net';
import { finishChild, jobOfThisChild } from './processes.ts';

interface TcpJob {
  readonly chunkBytes: number;
  readonly timeMs: number;
  /** Set for the sending side. */
  readonly port?: number;
}

const job = jobOfThisChild<TcpJob>();
if (job.port === undefined) receive();
else send(job.port);

function receive(): void {
  const server = createServer((socket) => {
    let bytes = 0;
    let startedMs = 0;
    socket.on('data', (chunk) => {
      if (startedMs === 0) startedMs = performance.now();
      bytes += chunk.length;
    });
    socket.on('end', () => {
      finishChild({ bytesPerSecond: (bytes / (performance.now() - startedMs)) * 1000 });
      server.close();
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    spawn(process.execPath, [import.meta.filename, JSON.stringify({ ...job, port })], { stdio: 'inherit' });
  });
}

function send(port: number): void {
  const chunk = Buffer.alloc(job.chunkBytes, 'limit');
  const socket = connect(port, '127.0.0.1', () => {
    const deadlineMs = performance.now() + job.timeMs;
    const fill = (): void => {
      while (performance.now() < deadlineMs) if (!socket.write(chunk)) return;
      socket.end();
    };
    socket.on('drain', fill);
    fill();
  });
}
