import { type Clock, type Logger, silentLogger, systemClock, type Timer } from '@millrace/ports';

/** How many connections there may be, and how many new ones a second. Asked at each connection, so that they may change. */
export interface ConnectionLimits {
  /** `max.connections`: of all listeners together. */
  readonly connectionsMax: number;
  /** `max.connection.creation.rate`: of all listeners together. */
  readonly creationRateMax: number;
  /** The same of one listener. */
  listener(name: string): { readonly connectionsMax: number; readonly creationRateMax: number };
  /** `max.connections.per.ip` and its exceptions. */
  perAddressMax(address: string): number;
  /** The quota `connection_creation_rate` of an address. */
  addressRateMax(address: string): number;
}

const NO_LIMITS: ConnectionLimits = {
  connectionsMax: Number.POSITIVE_INFINITY,
  creationRateMax: Number.POSITIVE_INFINITY,
  listener: () => NO_LIMITS,
  perAddressMax: () => Number.POSITIVE_INFINITY,
  addressRateMax: () => Number.POSITIVE_INFINITY,
};

/** What connections are let in with. */
export interface ConnectionAdmissionOptions {
  /** Default: no limits. */
  readonly limits?: ConnectionLimits | undefined;
  /**
   * The listener that brokers use among themselves: it is not held up by what all listeners together may have, where there are
   * others; theirs go instead.
   */
  readonly protectedListener?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Default silent. */
  readonly logger?: Logger | undefined;
}

/** A connection that has come and is not read yet. */
export interface Candidate {
  readonly address: string;
  /** Its turn has come. */
  admit(): void;
  /** It is closed without a word. */
  refuse(reason: string): void;
}

/** A listener as its connections are let in. */
export interface AdmittingListener {
  readonly name: string;
  /** Closes the connection that has been still the longest; false where there is none. */
  closeStillest(): boolean;
}

/** So many seconds' worth may come at once, as Kafka lets with its ten whole windows. */
const BURST_SECONDS = 10;
/** Nobody waits longer than this for the rate of his address. */
const THROTTLE_MS_MAX = 1000;
/** Connections that wait to be let in, of each listener: as many as a system holds ready by default. */
const WAITING_MAX = 511;
/** Connections beyond the rate of their address that are held before they are closed, of all listeners; the next are closed at once. */
const THROTTLED_MAX = 511;
/** Addresses whose rate is remembered. */
const ADDRESSES_MAX = 10_000;
/** How soon at the latest the rate is asked again whether the next one may come in. */
const LOOK_MS_MAX = 1000;

const BEYOND_ADDRESS_RATE = 'more connections have come from it than its quota connection_creation_rate lets in';

class Rate {
  #tokens = Number.POSITIVE_INFINITY;
  #atMs = 0;

  /** How long until one more may come; 0 where it may now. */
  missingMs(perSecond: number, nowMs: number): number {
    if (perSecond === Number.POSITIVE_INFINITY) return 0;
    this.#tokens = Math.min(perSecond * BURST_SECONDS, this.#tokens + (perSecond * (nowMs - this.#atMs)) / 1000);
    this.#atMs = nowMs;
    return this.#tokens >= 1 ? 0 : ((1 - this.#tokens) * 1000) / perSecond;
  }

  take(): void {
    this.#tokens -= 1;
  }
}

interface Room {
  readonly listener: AdmittingListener;
  readonly rate: Rate;
  readonly waiting: Set<Candidate>;
  count: number;
}

/**
 * Lets connections in as far as the limits go (KIP-402, KIP-612): beyond those of the broker and of a listener they wait, not read,
 * as Kafka's acceptor lets them wait; beyond those of an address they are closed, at once or after a while. Share one between listeners.
 */
export class ConnectionAdmission {
  readonly #limits: ConnectionLimits;
  readonly #protected: string | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rooms = new Map<string, Room>();
  readonly #rate = new Rate();
  readonly #byAddress = new Map<string, number>();
  readonly #addressRates = new Map<string, Rate>();
  readonly #throttled = new Map<Candidate, Timer>();
  readonly #admitted = new Set<Candidate>();
  #look: Timer | undefined;

  constructor(options: ConnectionAdmissionOptions = {}) {
    this.#limits = options.limits ?? NO_LIMITS;
    this.#protected = options.protectedListener;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Connections that are in, and those that wait. */
  stats(): { readonly admitted: number; readonly waiting: number } {
    let waiting = this.#throttled.size;
    for (const room of this.#rooms.values()) waiting += room.waiting.size;
    return { admitted: this.#admitted.size, waiting };
  }

  open(listener: AdmittingListener): void {
    this.#rooms.set(listener.name, { listener, rate: new Rate(), waiting: new Set(), count: 0 });
  }

  close(listener: AdmittingListener): void {
    const room = this.#rooms.get(listener.name);
    if (room?.listener !== listener) return;
    for (const candidate of room.waiting) candidate.refuse('the listener closes');
    this.#rooms.delete(listener.name);
    if (this.#rooms.size > 0) return;
    this.#look?.cancel();
    for (const timer of this.#throttled.values()) timer.cancel();
    this.#throttled.clear();
  }

  /** Somebody has come: he is let in, has to wait, or is refused. */
  arrive(listener: AdmittingListener, candidate: Candidate): void {
    const { address } = candidate;
    const room = this.#roomOf(listener);
    const here = this.#byAddress.get(address) ?? 0;
    const hereMax = this.#limits.perAddressMax(address);
    if (here >= hereMax) {
      candidate.refuse(`max.connections.per.ip=${hereMax} is reached`);
      return;
    }
    // Asked before anything else is: whoever comes too often takes no place and no turn from those who do not.
    const throttleMs = this.#addressMissingMs(address);
    if (throttleMs > 0 && this.#throttled.size >= THROTTLED_MAX) {
      candidate.refuse(BEYOND_ADDRESS_RATE);
      return;
    }
    if (throttleMs === 0 && room.waiting.size >= WAITING_MAX) {
      candidate.refuse(`${WAITING_MAX} connections wait already`);
      return;
    }
    this.#byAddress.set(address, here + 1);
    if (throttleMs > 0) {
      this.#throttle(candidate, throttleMs);
      return;
    }
    room.waiting.add(candidate);
    this.#letIn(room);
    if (!room.waiting.has(candidate) || room.waiting.size > 1) return;
    this.#logger.warn({ listener: listener.name }, `Connections to ${listener.name} wait: ${this.#why(room)}`);
  }

  /** Somebody who was let in, or waited, has gone. */
  left(listener: AdmittingListener, candidate: Candidate): void {
    const { address } = candidate;
    const here = (this.#byAddress.get(address) ?? 1) - 1;
    if (here === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, here);
    this.#throttled.get(candidate)?.cancel();
    this.#throttled.delete(candidate);
    const room = this.#rooms.get(listener.name);
    room?.waiting.delete(candidate);
    if (!this.#admitted.delete(candidate)) return;
    if (room !== undefined) room.count -= 1;
    this.sweep();
  }

  /** Lets in who may be by now; to be called now and then, for limits change. */
  sweep(): void {
    for (const room of this.#rooms.values()) if (room.waiting.size > 0) this.#letIn(room);
  }

  #roomOf(listener: AdmittingListener): Room {
    const room = this.#rooms.get(listener.name);
    if (room !== undefined) return room;
    this.open(listener);
    return this.#rooms.get(listener.name) as Room;
  }

  #isProtected({ listener }: Room): boolean {
    return listener.name === this.#protected && this.#rooms.size > 1;
  }

  #letIn(room: Room): void {
    for (const candidate of room.waiting) {
      if (!this.#hasPlace(room)) return;
      const missingMs = this.#missingMs(room);
      if (missingMs > 0) {
        this.#lookIn(missingMs);
        return;
      }
      room.waiting.delete(candidate);
      this.#take(room, candidate);
    }
  }

  #hasPlace(room: Room): boolean {
    if (room.count >= this.#limits.listener(room.listener.name).connectionsMax) return false;
    return this.#isProtected(room) || this.#admitted.size < this.#limits.connectionsMax;
  }

  #missingMs(room: Room): number {
    const nowMs = this.#clock.monotonic();
    const ofListener = room.rate.missingMs(this.#limits.listener(room.listener.name).creationRateMax, nowMs);
    const ofAll = this.#rate.missingMs(this.#limits.creationRateMax, nowMs);
    return this.#isProtected(room) ? ofListener : Math.max(ofListener, ofAll);
  }

  #take(room: Room, candidate: Candidate): void {
    room.rate.take();
    this.#rate.take();
    room.count += 1;
    this.#admitted.add(candidate);
    candidate.admit();
    if (this.#admitted.size > this.#limits.connectionsMax) this.#makeRoom(room);
  }

  /** Held in silence, so that coming again at once gains nothing, and closed then. */
  #throttle(candidate: Candidate, missingMs: number): void {
    const refuse = (): void => {
      this.#throttled.delete(candidate);
      candidate.refuse(BEYOND_ADDRESS_RATE);
    };
    this.#throttled.set(candidate, this.#clock.schedule(Math.min(missingMs, THROTTLE_MS_MAX), refuse));
  }

  /** Others make room for who is protected. */
  #makeRoom(room: Room): void {
    for (const other of this.#rooms.values()) {
      if (other !== room && other.listener.closeStillest()) return;
    }
  }

  #addressMissingMs(address: string): number {
    const perSecond = this.#limits.addressRateMax(address);
    if (perSecond === Number.POSITIVE_INFINITY) return 0;
    let rate = this.#addressRates.get(address);
    if (rate === undefined) {
      // The one that has been known the longest is forgotten, and may begin anew.
      if (this.#addressRates.size >= ADDRESSES_MAX) {
        this.#addressRates.delete(this.#addressRates.keys().next().value as string);
      }
      rate = new Rate();
      this.#addressRates.set(address, rate);
    }
    const missingMs = rate.missingMs(perSecond, this.#clock.monotonic());
    if (missingMs === 0) rate.take();
    return missingMs;
  }

  #lookIn(ms: number): void {
    if (this.#look !== undefined) return;
    this.#look = this.#clock.schedule(Math.min(Math.ceil(ms), LOOK_MS_MAX), () => {
      this.#look = undefined;
      this.sweep();
    });
  }

  #why(room: Room): string {
    const { name } = room.listener;
    const { connectionsMax } = this.#limits.listener(name);
    if (room.count >= connectionsMax) return `its max.connections=${connectionsMax} is reached`;
    if (!this.#hasPlace(room)) return `max.connections=${this.#limits.connectionsMax} is reached`;
    return 'max.connection.creation.rate is reached';
  }
}
