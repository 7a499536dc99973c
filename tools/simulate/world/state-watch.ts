import type { Operation, OperationResult } from '@millrace/metadata';

/** A state of a partition as it stands in the metadata store. */
export interface WrittenState {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly controllerEpoch: number;
  readonly isr: readonly number[];
}

const STATE_PATH = /^\/brokers\/topics\/([^/]+)\/partitions\/(\d+)\/state$/;

/**
 * Sees every state of a partition that a broker writes into the store, and holds it against those before: epochs only rise, an epoch has
 * one leader, who is in sync, and whoever is elected was in sync before.
 */
export class StateWatch {
  readonly #last = new Map<string, WrittenState>();
  readonly #leaders = new Map<string, number>();
  readonly #protest: (partition: string, message: string) => void;
  states = 0;

  constructor(protest: (partition: string, message: string) => void) {
    this.#protest = protest;
  }

  /** The last state of a partition. */
  stateOf(partition: string): WrittenState | undefined {
    return this.#last.get(partition);
  }

  /** Operations that the store has applied. */
  applied(operations: readonly Operation[], results: readonly OperationResult[]): void {
    for (const [index, operation] of operations.entries()) {
      const match = STATE_PATH.exec(operation.path);
      if (match === null || results[index] === undefined) continue;
      const partition = `${match[1]}-${match[2]}`;
      if (operation.type === 'create' || operation.type === 'set') this.#written(partition, stateIn(operation.data));
      else if (operation.type === 'delete') this.#last.delete(partition);
    }
  }

  #written(partition: string, state: WrittenState): void {
    this.states += 1;
    const before = this.#last.get(partition);
    this.#last.set(partition, state);
    const { leader, leaderEpoch, controllerEpoch, isr } = state;
    if (leader >= 0 && !isr.includes(leader)) this.#protest(partition, `leader ${leader} is not in sync (${isr})`);
    if (isr.length === 0) this.#protest(partition, 'nobody is in sync');
    const key = `${partition} ${leaderEpoch}`;
    const known = this.#leaders.get(key);
    if (known !== undefined && known >= 0 && leader >= 0 && known !== leader) {
      this.#protest(partition, `epoch ${leaderEpoch} has two leaders, ${known} and ${leader}`);
    }
    if (leader >= 0) this.#leaders.set(key, leader);
    if (before === undefined) return;
    if (leaderEpoch < before.leaderEpoch || controllerEpoch < before.controllerEpoch) {
      this.#protest(partition, `epochs go back from ${JSON.stringify(before)} to ${JSON.stringify(state)}`);
    }
    if (leader >= 0 && leader !== before.leader && !before.isr.includes(leader)) {
      this.#protest(partition, `${leader} is elected, and was not in sync (${before.isr})`);
    }
  }
}

function stateIn(data: Uint8Array): WrittenState {
  const json = JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>;
  return {
    leader: json['leader'] as number,
    leaderEpoch: json['leader_epoch'] as number,
    controllerEpoch: json['controller_epoch'] as number,
    isr: json['isr'] as number[],
  };
}
