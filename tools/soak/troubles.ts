/** What happens to the clients of a soak, one trouble after the other, chosen by a seeded random number generator. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '@millrace/ports';
import type { ErrorName } from '@millrace/protocol';
import type { SoakBroker } from './broker.ts';
import type { CuttingProxy, Direction } from './cutting-proxy.ts';
import { Member, type MemberTarget } from './members.ts';
import type { Seat } from './seats.ts';

export const MEMBERS_MIN = 1;
export const MEMBERS_MAX = 4;
/** The longest that answers are held back. It is beyond {@link REQUEST_TIMEOUT_MS}, so that some come when nobody waits any more. */
const HELD_MS_MAX = 2_500;
export const REQUEST_TIMEOUT_MS = 1_500;
const DOWN_MS_MAX = 1_500;
const PAUSE_MS_MAX = 1_200;
/** Cut frames end somewhere in their first bytes: most of them are not longer. */
const CUT_BYTES_MAX = 200;

const LEADER_ERRORS: readonly ErrorName[] = ['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE', 'FENCED_LEADER_EPOCH'];
const COORDINATOR_ERRORS: readonly ErrorName[] = [
  'NOT_COORDINATOR',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
];
const GROUP_APIS = ['Heartbeat', 'OffsetCommit', 'JoinGroup', 'SyncGroup', 'OffsetFetch'] as const;

export interface TroubleTarget {
  readonly broker: SoakBroker;
  readonly proxy: CuttingProxy;
  readonly seats: readonly Seat[];
  readonly members: Member[];
  readonly memberTarget: MemberTarget;
  readonly partitions: number;
  readonly random: Random;
}

export class Troubles {
  readonly #target: TroubleTarget;
  /** How often each has happened. */
  readonly counts = new Map<string, number>();
  #joined = 0;

  constructor(target: TroubleTarget) {
    this.#target = target;
  }

  /** Makes trouble until the time is over: first each kind once, then as chance has it. */
  async run(untilMs: number): Promise<void> {
    const kinds = Object.entries(this.#kinds());
    const first = [...kinds];
    while (performance.now() < untilMs) {
      const from = first.length > 0 ? first : kinds;
      const at = this.#int(from.length);
      const [name, make] = from[at]!;
      first.splice(at, first.length > 0 ? 1 : 0);
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      await make();
      await sleep(Math.min(this.#int(PAUSE_MS_MAX), Math.max(untilMs - performance.now(), 0)));
    }
  }

  #kinds(): Record<string, () => Promise<void>> {
    const { broker, proxy, seats, memberTarget } = this.#target;
    return {
      'broker killed and started': () => this.#restart(() => broker.kill()),
      'broker stopped and started': () => this.#restart(() => broker.stop()),
      'all connections cut': async () => proxy.cutAll(),
      'request cut inside': async () => this.#cutFrames('request'),
      'response cut inside': async () => this.#cutFrames('response'),
      'requests held back': async () => proxy.hold('request', this.#int(HELD_MS_MAX)),
      'responses held back': async () => proxy.hold('response', this.#int(HELD_MS_MAX)),
      'produce answered too late': () =>
        broker.order({
          kind: 'delay',
          api: 'Produce',
          ms: REQUEST_TIMEOUT_MS + this.#int(1_000),
          times: 1 + this.#int(3),
        }),
      'produce carried out, answer lost': () =>
        broker.order({ kind: 'drop', api: 'Produce', when: 'after', times: 1 + this.#int(3) }),
      'leader moved': () =>
        broker.order({ kind: 'moveLeader', topic: memberTarget.topic, partition: this.#int(this.#target.partitions) }),
      'leader denied': () =>
        broker.order({
          kind: 'fail',
          api: this.#pick(['Produce', 'Fetch']),
          error: this.#pick(LEADER_ERRORS),
          times: 1 + this.#int(4),
        }),
      'coordinator moved': () =>
        broker.order({
          kind: 'fail',
          api: this.#pick(GROUP_APIS),
          error: this.#pick(COORDINATOR_ERRORS),
          times: 1 + this.#int(4),
        }),
      'member joined': async () => this.#join(),
      'member left': () => this.#leave(),
      'member expired': () =>
        broker.order({ kind: 'expireMember', groupId: memberTarget.groupId, which: this.#int(MEMBERS_MAX) }),
      'producer changed': () => this.#pick(seats).change(),
    };
  }

  async #restart(end: () => Promise<void>): Promise<void> {
    const { broker, proxy } = this.#target;
    await end();
    proxy.cutAll();
    await sleep(this.#int(DOWN_MS_MAX));
    proxy.brokerPort = await broker.start();
  }

  #cutFrames(direction: Direction): void {
    for (let count = 1 + this.#int(3); count > 0; count -= 1)
      this.#target.proxy.cutNextFrame(direction, 1 + this.#int(CUT_BYTES_MAX));
  }

  #join(): void {
    const { members, memberTarget } = this.#target;
    if (members.length < MEMBERS_MAX) members.push(new Member(memberTarget, this.#joined++));
  }

  async #leave(): Promise<void> {
    const { members } = this.#target;
    if (members.length <= MEMBERS_MIN) return;
    const [member] = members.splice(this.#int(members.length), 1);
    await member?.leave();
  }

  #int(below: number): number {
    return this.#target.random.nextInt(Math.max(below, 1));
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#int(from.length)]!;
  }
}
