import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@millrace/ports';
import { afterAll, describe, expect, it } from 'vitest';
import { ZooKeeperClient } from '../client.ts';
import { connectSocket } from '../socket-transport.ts';

const PROGRAM = fileURLToPath(new URL('../testing/served-process.ts', import.meta.url));
const TIMEOUT_MS = 3000;

const closers: (() => Promise<unknown> | unknown)[] = [];

afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server in a process of its own. */
class ServedProcess {
  readonly #child: ChildProcess;
  readonly #path: string;
  readonly lines: string[] = [];

  private constructor(path: string) {
    this.#path = path;
    this.#child = spawn(process.execPath, [PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.lines.push(line));
    closers.push(async () => {
      const ended = once(this.#child, 'exit');
      // It may stand still.
      this.#child.kill('SIGKILL');
      await ended;
    });
  }

  static async start(): Promise<ServedProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const served = new ServedProcess(join(folder, 'metadata.sock'));
    await until(() => served.lines.includes('listening'), 20_000);
    return served;
  }

  async client(): Promise<{ readonly client: ZooKeeperClient; readonly dies: () => void; readonly states: string[] }> {
    const connect = connectSocket({ socketPath: this.#path });
    let isDead = false;
    let hangUp = (): void => {};
    const client = new ZooKeeperClient({
      servers: [{ host: 'parent', port: 0 }],
      sessionTimeoutMs: TIMEOUT_MS,
      credentials: [],
      inFlightMax: 10,
      clock: systemClock,
      random: systemRandom,
      // Whoever is dead connects no more.
      connect: (server, events) => {
        if (isDead) return { write: () => {}, destroy: () => {} };
        const transport = connect(server, events);
        hangUp = () => transport.destroy();
        return transport;
      },
      onNotice: () => {},
    });
    const states: string[] = [];
    client.onState((state) => states.push(state));
    await until(() => client.state === 'connected', 20_000);
    const dies = (): void => {
      isDead = true;
      hangUp();
    };
    return { client, dies, states };
  }

  async standsStillFor(ms: number, meanwhile: () => void = () => {}): Promise<void> {
    this.#child.kill('SIGSTOP');
    await sleep(ms / 2);
    meanwhile();
    await sleep(ms / 2);
    this.#child.kill('SIGCONT');
  }
}

async function until(isSo: () => boolean, msMax: number): Promise<void> {
  const sinceMs = performance.now();
  while (!isSo()) {
    if (performance.now() - sinceMs > msMax) throw new Error(`not so after ${msMax} ms`);
    await sleep(10);
  }
}

describe('a server whose process is stopped', () => {
  it.concurrent.each([
    ['almost for the session', TIMEOUT_MS * 0.85],
    ['for longer than the session', TIMEOUT_MS * 1.4],
  ])('%s costs no client its session, but who dies meanwhile', async (_, stoppedMs) => {
    const served = await ServedProcess.start();
    const { client, states } = await served.client();
    const other = await served.client();
    const { sessionId } = client;
    const dead = other.client.sessionId;
    await served.standsStillFor(stoppedMs, other.dies);
    // Within its timeout; a busy machine's pauses are not counted against it either.
    await until(() => served.lines.some((line) => line.endsWith(dead) && !line.startsWith('opened')), 20_000);
    await client.request({ type: 'exists', path: '/', watch: false });
    // It has hung up and come back, or this shows nothing.
    expect(states).toContain('disconnected');
    expect(states).not.toContain('expired');
    expect(client.sessionId).toBe(sessionId);
    expect(served.lines).toEqual(['listening', `opened ${sessionId}`, `opened ${dead}`, `expired ${dead}`]);
  });
});
