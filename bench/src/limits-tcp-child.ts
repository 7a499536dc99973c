/** The receiving side of the loopback limit; starts the sending side as a child of its own. */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finishChild, jobOfThisChild } from './processes.ts';

interface TcpJob {
  readonly chunkBytes: number;
  readonly timeMs: number;
  /** Whether what arrives is thrown away, written into a file, or written and synced. */
  readonly sink: 'none' | 'write' | 'dsync';
  /** Set for the sending side. */
  readonly port?: number;
}

/** Reading stops while so much waits to be written. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** The file is begun anew after this much, so that it does not fill the disk. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;

const job = jobOfThisChild<TcpJob>();
if (job.port === undefined) receive();
else send(job.port);

function receive(): void {
  const server = createServer(async (socket) => {
    const sink = job.sink === 'none' ? undefined : await FileSink.open(job.sink);
    let bytes = 0;
    let startedMs = 0;
    socket.on('data', (chunk) => {
      if (startedMs === 0) startedMs = performance.now();
      bytes += chunk.length;
      if (sink !== undefined && sink.take(chunk) > WAITING_BYTES_MAX) {
        socket.pause();
        void sink.drained().then(() => socket.resume());
      }
    });
    socket.on('end', async () => {
      await sink?.drained();
      const seconds = (performance.now() - startedMs) / 1000;
      await sink?.close();
      finishChild({ bytesPerSecond: bytes / seconds });
      server.close();
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    spawn(process.execPath, [import.meta.filename, JSON.stringify({ ...job, port })], { stdio: 'inherit' });
  });
}

/** Writes all that has queued with one gathered write, then what has queued meanwhile. */
class FileSink {
  readonly #file: FileHandle;
  readonly #folder: string;
  #queue: Buffer[] = [];
  #waitingBytes = 0;
  #position = 0;
  #writing: Promise<void> | undefined;

  constructor(file: FileHandle, folder: string) {
    this.#file = file;
    this.#folder = folder;
  }

  static async open(kind: 'write' | 'dsync'): Promise<FileSink> {
    const folder = await mkdtemp(join(tmpdir(), 'bench-limit-'));
    const { O_CREAT, O_WRONLY, O_DSYNC } = constants;
    const file = await open(join(folder, 'file'), O_CREAT | O_WRONLY | (kind === 'dsync' ? O_DSYNC : 0));
    return new FileSink(file, folder);
  }

  /** Returns how many bytes wait. */
  take(chunk: Buffer): number {
    this.#queue.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#writing ??= this.#write();
    return this.#waitingBytes;
  }

  async drained(): Promise<void> {
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.#file.close();
    await rm(this.#folder, { recursive: true });
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const chunks = this.#queue;
      this.#queue = [];
      const { bytesWritten } = await this.#file.writev(chunks, this.#position);
      this.#waitingBytes -= bytesWritten;
      this.#position = this.#position < FILE_BYTES_MAX ? this.#position + bytesWritten : 0;
    }
    this.#writing = undefined;
  }
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
