import type { Recorder } from '../history.ts';
import type { Dice } from '../world/dice.ts';
import type { Network } from '../world/network.ts';
import type { SimulatedClock } from '../world/simulated-clock.ts';
import type { Topic } from './topics.ts';

/** What all clients of a world share, with dice of their own. */
export interface ClientTools {
  readonly clock: SimulatedClock;
  readonly network: Network;
  /** The brokers' hosts. */
  readonly hosts: readonly string[];
  readonly history: Recorder;
  readonly dice: Dice;
  readonly topics: readonly Topic[];
  /** Takes a line of the trace down; undefined when nobody reads it. */
  readonly trace: ((client: string, message: string) => void) | undefined;
}

/** Somebody who uses the broker. */
export interface SimulatedClient {
  readonly name: string;
  /** Works until it is told to stop; resolves when it has finished what it had begun, or given it up. */
  run(): Promise<void>;
  /** Begins nothing new. */
  stop(): void;
}
