import { partitionsOf } from '../clients/topics.ts';
import { COPY_TOPIC } from '../transactions/copier.ts';
import type { PlannedEvent, WorldFault } from './fault-plan.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** Brings the plan's faults over a world, each at its hour. */
export class Nemesis {
  readonly #world: World;
  #isOver = false;
  /** How many of each kind have struck. */
  readonly struck = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  start(events: readonly PlannedEvent[]): void {
    for (const { atMs, fault } of events) {
      this.#world.clock.schedule(atMs, () => {
        if (!this.#isOver) this.strike(fault);
      });
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  strike(fault: WorldFault): void {
    this.struck.set(fault.kind, (this.struck.get(fault.kind) ?? 0) + 1);
    const machine = this.#world.anyMachine();
    this.#strikeMachine(fault, machine);
    this.#strikeStore(fault, machine);
    this.#strikeDisk(fault, machine);
    this.#strikeNetwork(fault);
    if (fault.kind === 'delete-records') this.#deleteRecords();
  }

  #strikeMachine(fault: WorldFault, machine: Machine): void {
    switch (fault.kind) {
      case 'kill':
      case 'power':
        machine.crash(fault.crash);
        break;
      case 'restart':
        void machine.restart(fault.downMs);
        break;
      case 'pause':
        machine.pause(fault.durationMs);
        break;
      case 'throw':
        machine.sabotage(fault.planned);
        break;
      case 'clock-jump':
        machine.setClock(fault.offsetMs);
        this.#world.history.noteSkew(fault.offsetMs);
        break;
    }
  }

  #strikeStore(fault: WorldFault, machine: Machine): void {
    switch (fault.kind) {
      case 'session':
        this.#world.note('the broker loses its session');
        machine.expireSession();
        break;
      case 'store-loss':
        machine.loseStore(fault.when, fault.durationMs);
        break;
      case 'store-stale':
        machine.lagStore(fault.durationMs);
        break;
      case 'dethrone':
        void this.#world.dethrone(fault.deafMs);
        break;
      case 'scribble':
        void this.#world.scribbler.scribble(fault.node, fault.scribble, fault.durationMs);
        break;
      case 'metadata-flip': {
        const path = machine.flipMetadataBit();
        if (path !== undefined) this.#world.note(`a bit flips in ${path}`);
        break;
      }
    }
  }

  #strikeDisk(fault: WorldFault, machine: Machine): void {
    const { note } = this.#parts();
    switch (fault.kind) {
      case 'no-handles':
        note(`no file can be opened for ${fault.durationMs.toFixed(0)} ms`);
        machine.faults.takeHandles(fault.durationMs);
        break;
      case 'disk-error':
        machine.faults.plan(fault.fault);
        break;
      case 'slow-disk':
        note(`the disk is ${fault.factor} times as slow for ${fault.durationMs.toFixed(0)} ms`);
        machine.faults.slowDown(fault.factor, fault.durationMs);
        break;
      case 'full-disk':
        this.#fill(machine, fault.roomBytes, fault.durationMs);
        break;
      case 'bit-flip':
        this.#world.flipBit();
        break;
    }
  }

  #strikeNetwork(fault: WorldFault): void {
    const { network, note } = this.#parts();
    switch (fault.kind) {
      case 'link':
        this.#blockLink(fault.direction, fault.durationMs);
        break;
      case 'cut':
        note(fault.all ? 'all connections are cut' : 'a connection is cut');
        network.cut(fault.all);
        break;
      case 'half-open':
        note(`${fault.all ? 'all connections lose' : 'a connection loses'} ${fault.direction}, unnoticed`);
        network.breakSilently(fault.direction, fault.all);
        break;
      case 'network-down':
        note(`the network is down for ${fault.durationMs.toFixed(0)} ms`);
        network.takeDown(fault.durationMs);
        break;
      case 'slow-network':
        note(`the network takes up to ${fault.latency.mostMs} ms for ${fault.durationMs.toFixed(0)} ms`);
        network.slowDown(fault.latency, fault.durationMs);
        break;
    }
  }

  /** Two brokers lose sight of each other, or a client of one of them, in one direction or both. */
  #blockLink(direction: 'one way' | 'both ways', durationMs: number): void {
    const { network, note, dice, machines } = this.#parts();
    const others = machines.map(({ host }) => host);
    const from = dice.pick(others);
    const to = dice.pick(others.filter((host) => host !== from));
    note(`nothing gets from ${from} to ${to} for ${durationMs.toFixed(0)} ms, ${direction}`);
    network.blockLink(from, to, durationMs);
    if (direction === 'both ways') network.blockLink(to, from, durationMs);
  }

  #fill(machine: Machine, roomBytes: number, durationMs: number): void {
    const { note, clock } = this.#parts();
    note(`the disk has room for ${roomBytes} bytes for ${durationMs.toFixed(0)} ms`);
    machine.leaveRoom(roomBytes);
    clock.schedule(durationMs, () => machine.leaveRoom(Number.POSITIVE_INFINITY));
  }

  #deleteRecords(): void {
    const { dice, admin, history, topics } = this.#world;
    // A copy that is gone would have to be told from one that never was.
    const partition = dice.pick(partitionsOf(topics.filter(({ name }) => name !== COPY_TOPIC)));
    const acknowledged = history.events
      .filter((event) => event.kind === 'send')
      .filter(({ partition: name, outcome }) => name === partition.name && outcome === 'ok')
      .map(({ baseOffset }) => baseOffset);
    const end = Math.max(0, ...acknowledged);
    if (end > 0) void admin.deleteRecords(partition, dice.between(1, end));
  }

  #parts(): Pick<World, 'machines' | 'network' | 'clock' | 'dice'> & { note: (message: string) => void } {
    const { machines, network, clock, dice } = this.#world;
    return { machines, network, clock, dice, note: (message) => this.#world.note(message) };
  }
}
