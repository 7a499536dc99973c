import type { Logger, PeerLane, Peers } from '@millrace/broker';
import type { Clock, Random } from '@millrace/ports';

/** From where the broker's code is called when it throws: by a timer, by the metadata store, by a request, or by a promise. */
export type ThrowPlace = 'timer' | 'watch' | 'request' | 'promise';

/** Which of its ports it calls then. */
export type ThrowPort = 'clock' | 'random' | 'logger' | 'store' | 'peers' | 'disk';

/** One throw that is to come: at the given call of a port, counted from now on, made from the given place. */
export interface PlannedThrow {
  readonly place: ThrowPlace;
  readonly port: ThrowPort;
  readonly call: number;
}

export const throwPlaces: readonly ThrowPlace[] = ['timer', 'watch', 'request', 'promise'];
export const throwPorts: readonly ThrowPort[] = ['clock', 'random', 'logger', 'store', 'peers', 'disk'];

/** What is thrown. No part of the broker knows it, as none knows a mistake of its own. */
export class ThrownOnPurpose extends Error {
  override readonly name = 'ThrownOnPurpose';
}

/**
 * Has one process' own code throw where nobody expects it: in the middle of a callback, at a call of a port, which stands for any mistake
 * there. What must come of it is that the process lives, and that nobody loses more than the one thing that was being done.
 */
export class Saboteur {
  readonly #struck: (what: string) => void;
  #place: ThrowPlace = 'promise';
  #planned: PlannedThrow | undefined;
  #callsLeft = 0;

  constructor(struck: (what: string) => void) {
    this.#struck = struck;
  }

  plan(planned: PlannedThrow): void {
    this.#planned = planned;
    this.#callsLeft = planned.call;
  }

  disarm(): void {
    this.#planned = undefined;
  }

  /** Runs what is called from a place, so that calls of ports are counted for it. */
  from<T>(place: ThrowPlace, run: () => T): T {
    const before = this.#place;
    this.#place = place;
    try {
      return run();
    } finally {
      this.#place = before;
    }
  }

  /** What a call of a port throws, if it is the one. */
  error(port: ThrowPort): ThrownOnPurpose | undefined {
    const planned = this.#planned;
    if (planned === undefined || planned.port !== port || planned.place !== this.#place) return undefined;
    this.#callsLeft -= 1;
    if (this.#callsLeft > 0) return undefined;
    this.#planned = undefined;
    const what = `a call of the ${port} from a ${planned.place}`;
    this.#struck(what);
    return new ThrownOnPurpose(`${what} throws on purpose`);
  }

  clock(inner: Clock): Clock {
    return {
      now: () => this.#call('clock', () => inner.now()),
      monotonic: () => this.#call('clock', () => inner.monotonic()),
      // What sets the next timer has nobody behind it: a clock that sets none is no clock.
      schedule: (delayMs, run) => inner.schedule(delayMs, run),
    };
  }

  random(inner: Random): Random {
    return {
      nextInt: (bound) => this.#call('random', () => inner.nextInt(bound)),
      bytes: (length) => this.#call('random', () => inner.bytes(length)),
    };
  }

  logger(inner: Logger): Logger {
    return {
      debug: (fields, message) => this.#call('logger', () => inner.debug(fields, message)),
      info: (fields, message) => this.#call('logger', () => inner.info(fields, message)),
      warn: (fields, message) => this.#call('logger', () => inner.warn(fields, message)),
      error: (fields, message) => this.#call('logger', () => inner.error(fields, message)),
    };
  }

  peers(inner: Peers): Peers {
    return {
      lane: (address, clientId) => {
        const lane = this.#call('peers', () => inner.lane(address, clientId));
        const send: PeerLane['send'] = (...sent) => this.#call('peers', () => lane.send(...sent));
        return { send, reset: () => lane.reset(), close: () => lane.close() };
      },
    };
  }

  #call<T>(port: ThrowPort, call: () => T): T {
    const error = this.error(port);
    if (error !== undefined) throw error;
    return call();
  }
}
