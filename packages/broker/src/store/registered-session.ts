import type { MetadataStore } from '@millrace/metadata';
import { paths } from './znodes.ts';

/** The session in which a broker is registered, as its store names it (`ephemeralOwner`); undefined where it is not. */
export async function registeredSession(store: MetadataStore, brokerId: number): Promise<string | undefined> {
  return (await store.exists(paths.brokerId(brokerId)))?.ephemeralOwner;
}
