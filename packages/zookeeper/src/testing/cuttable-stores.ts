import type { MetadataStore, SessionState } from '@millrace/metadata';
import type { ConnectionFaults } from '@millrace/metadata/internal';
import { connectSocket } from '../socket-transport.ts';
import { type ZooKeeperMetadataOptions, ZooKeeperMetadataStore } from '../store.ts';
import { CuttableConnections } from './cuttable-connections.ts';

/** Sessions with a server whose connections can be cut, for the conformance suite. */
export class CuttableStores {
  readonly #stores = new Map<MetadataStore, CuttableConnections>();
  readonly faults: ConnectionFaults;

  /** @param expireUnheard Ends a session at the server. */
  constructor(expireUnheard: (store: ZooKeeperMetadataStore) => Promise<void>) {
    const of = (store: MetadataStore): CuttableConnections => this.#stores.get(store) as CuttableConnections;
    this.faults = {
      cut: (store) => of(store).cut(),
      cutAtNextWrite: (store, when) => of(store).cutAtNextWrite(when),
      mend: (store) => {
        const back = reaches(store, 'connected', 'expired');
        of(store).mend();
        return back;
      },
      expireUnheard: (store) => expireUnheard(store as ZooKeeperMetadataStore),
    };
  }

  async open(options: ZooKeeperMetadataOptions): Promise<ZooKeeperMetadataStore> {
    const connections = new CuttableConnections(connectSocket());
    const store = await ZooKeeperMetadataStore.open({ ...options, connectTransport: connections.connect });
    this.#stores.set(store, connections);
    return store;
  }

  async close(): Promise<void> {
    for (const connections of this.#stores.values()) connections.mend();
    await Promise.all([...this.#stores.keys()].map((store) => store.close()));
  }
}

/** Resolves when a session is in one of the states. */
export function reaches(store: MetadataStore, ...states: readonly SessionState[]): Promise<void> {
  return new Promise((resolve) => {
    const forget = store.onSession((state) => {
      if (!states.includes(state)) return;
      forget();
      resolve();
    });
    if (!states.includes(store.sessionState)) return;
    forget();
    resolve();
  });
}
