import type { Socket } from 'node:net';

/**
 * The TLS handshakes of a listener that are under way, each of which takes memory before anything is known of who it is. There is
 * a bound on them; beyond it a newcomer takes the place of the oldest one of the address that has the most, so that whoever opens many
 * and says nothing closes his own.
 */
export class Handshakes {
  readonly #countMax: number;
  /** By address, and there by port, in the order in which they began. */
  readonly #underWay = new Map<string, Map<number, Socket>>();
  #count = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#count;
  }

  /** One begins. The socket that has to make room for it, if there is too much. */
  begin(socket: Socket, address: string, port: number): Socket | undefined {
    const crowded = this.#count >= this.#countMax ? this.#mostCrowded() : undefined;
    const [oldest] = crowded ?? [];
    const here = this.#underWay.get(address) ?? new Map<number, Socket>();
    this.#underWay.set(address, here);
    this.#count += here.has(port) ? 0 : 1;
    here.set(port, socket);
    return oldest?.[1];
  }

  /** One has ended, well or not. */
  end(address: string, port: number): void {
    const here = this.#underWay.get(address);
    if (here?.delete(port) !== true) return;
    this.#count -= 1;
    if (here.size === 0) this.#underWay.delete(address);
  }

  #mostCrowded(): ReadonlyMap<number, Socket> | undefined {
    let most: ReadonlyMap<number, Socket> | undefined;
    for (const here of this.#underWay.values()) if (most === undefined || here.size > most.size) most = here;
    return most;
  }
}
