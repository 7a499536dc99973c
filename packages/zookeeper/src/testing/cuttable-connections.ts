import { runNextTurn } from '@millrace/ports';
import type { ServerAddress } from '../connect-string.ts';
import { FrameCutter } from '../jute.ts';
import { OpCode } from '../protocol.ts';
import type { Connect, Transport, TransportEvents } from '../transport.ts';

const WRITES: ReadonlySet<number> = new Set([
  OpCode.CREATE,
  OpCode.CREATE2,
  OpCode.DELETE,
  OpCode.SET_DATA,
  OpCode.MULTI,
]);

const LENGTH_BYTES = 4;
const FRAME_BYTES_MAX = 8 * 1024 * 1024;

/** Connections of one client that are cut when they are told to, and stay so until they are mended; for tests. */
export class CuttableConnections {
  readonly #inner: Connect;
  #isDown = false;
  #lossAtWrite: 'before' | 'after' | undefined;
  #open: CuttableTransport | undefined;

  constructor(inner: Connect) {
    this.#inner = inner;
  }

  readonly connect: Connect = (server, events) => {
    const transport = new CuttableTransport(this.#inner, server, events, {
      takeLoss: () => {
        const loss = this.#lossAtWrite;
        this.#lossAtWrite = undefined;
        return loss;
      },
      cut: () => this.cut(),
    });
    this.#open = transport;
    if (!this.#isDown) transport.begin();
    return transport;
  };

  cut(): void {
    this.#isDown = true;
    this.#open?.cut();
  }

  /** At the next write: `before` it has left, or `after` it was answered. What comes behind it does not leave. */
  cutAtNextWrite(when: 'before' | 'after'): void {
    this.#lossAtWrite = when;
  }

  /** An attempt that waits goes on. */
  mend(): void {
    this.#isDown = false;
    this.#open?.begin();
  }
}

interface Owner {
  takeLoss(): 'before' | 'after' | undefined;
  cut(): void;
}

class CuttableTransport implements Transport {
  readonly #connect: Connect;
  readonly #server: ServerAddress;
  readonly #events: TransportEvents;
  readonly #owner: Owner;
  readonly #cutter = new FrameCutter(FRAME_BYTES_MAX);
  #inner: Transport | undefined;
  #isGreeted = false;
  #isOver = false;
  /** Nothing leaves any more. */
  #isMute = false;
  /** The request after whose answer the connection is cut. */
  #lastXid: number | undefined;

  constructor(connect: Connect, server: ServerAddress, events: TransportEvents, owner: Owner) {
    this.#connect = connect;
    this.#server = server;
    this.#events = events;
    this.#owner = owner;
  }

  begin(): void {
    if (this.#inner !== undefined || this.#isOver) return;
    this.#inner = this.#connect(this.#server, {
      opened: () => this.#events.opened(),
      received: (chunk) => this.#received(chunk),
      closed: (error) => {
        this.#isOver = true;
        this.#events.closed(error);
      },
    });
  }

  cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inner?.destroy();
    this.#events.closed(new Error('the connection was cut'));
  }

  write(frame: Buffer): void {
    if (this.#isMute || this.#isOver) return;
    const isRequest = this.#isGreeted;
    this.#isGreeted = true;
    if (isRequest && WRITES.has(frame.readInt32BE(LENGTH_BYTES + 4))) {
      const loss = this.#owner.takeLoss();
      this.#isMute = loss !== undefined;
      if (loss === 'after') this.#lastXid = frame.readInt32BE(LENGTH_BYTES);
      if (loss === 'before') {
        runNextTurn(() => this.#owner.cut());
        return;
      }
    }
    this.#inner?.write(frame);
  }

  destroy(): void {
    this.#isOver = true;
    this.#inner?.destroy();
  }

  #received(chunk: Buffer): void {
    this.#cutter.push(chunk);
    for (let frame = this.#cutter.next(); frame !== undefined && !this.#isOver; frame = this.#cutter.next()) {
      if (this.#lastXid !== undefined && frame.readInt32BE(0) === this.#lastXid) {
        this.#owner.cut();
        return;
      }
      this.#events.received(withLength(frame));
    }
  }
}

function withLength(frame: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
  whole.writeInt32BE(frame.length, 0);
  frame.copy(whole, LENGTH_BYTES);
  return whole;
}
