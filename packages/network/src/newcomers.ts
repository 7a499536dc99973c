import type { Socket } from 'node:net';

/** Who has been here for so long without saying who he is makes room for others. */
export const NEWCOMER_GRACE_MS = 1_000;

interface Newcomer {
  readonly socket: Socket;
  readonly sinceMs: number;
}

/**
 * The connections of a listener that have still to say who they are: TLS handshakes and logins under way, each of which takes
 * memory before anything is known of who it is. There is a bound on them. Beyond it the address that has the most gives way, so that
 * whoever opens many and says nothing closes his own: its oldest one, for the sake of another address or where it has had its time.
 * Otherwise its newest one: where many clients come back at once, those that are nearly done are not thrown out for those behind them.
 */
export class Newcomers {
  readonly #countMax: number;
  /** By address, and there by port, in the order in which they came. */
  readonly #underWay = new Map<string, Map<number, Newcomer>>();
  #count = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#count;
  }

  /** One comes. The socket that has to go, if there are too many; it may be the one that has come, which is then not counted. */
  begin(socket: Socket, address: string, port: number, nowMs: number): Socket | undefined {
    const crowded = this.#count >= this.#countMax ? this.#mostCrowded() : undefined;
    const here = this.#underWay.get(address) ?? new Map<number, Newcomer>();
    const oldest = crowded?.values().next().value;
    if (oldest !== undefined && crowded === here && nowMs - oldest.sinceMs < NEWCOMER_GRACE_MS) return socket;
    this.#underWay.set(address, here);
    this.#count += here.has(port) ? 0 : 1;
    here.set(port, { socket, sinceMs: nowMs });
    return oldest?.socket;
  }

  /** One is known now, or has gone. */
  end(address: string, port: number): void {
    const here = this.#underWay.get(address);
    if (here?.delete(port) !== true) return;
    this.#count -= 1;
    if (here.size === 0) this.#underWay.delete(address);
  }

  #mostCrowded(): ReadonlyMap<number, Newcomer> | undefined {
    let most: ReadonlyMap<number, Newcomer> | undefined;
    for (const here of this.#underWay.values()) if (most === undefined || here.size > most.size) most = here;
    return most;
  }
}
