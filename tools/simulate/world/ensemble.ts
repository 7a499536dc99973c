import { MemoryMetadataStore } from '@millrace/metadata';
import type { SimulatedClock } from './simulated-clock.ts';

/** A session with the store, as one life of a broker has it. */
export type EnsembleSession = ReturnType<MemoryMetadataStore['openSession']>;

/** The metadata store that the brokers of a world share. It outlives them all. */
export class Ensemble {
  readonly #store: MemoryMetadataStore;

  constructor(clock: SimulatedClock) {
    this.#store = new MemoryMetadataStore({ clock });
  }

  openSession(): EnsembleSession {
    return this.#store.openSession();
  }
}
