import type { BrokerEndpoint, Logger } from '@millrace/broker';
import type { HttpSite } from './http-server.ts';

/** A site that holds something open. */
export interface ClosingSite extends HttpSite {
  close(): Promise<void>;
}

/** Makes a site for a broker: what is served beside metrics and health is the caller's business. */
export type MakeSite = (broker: {
  readonly endpoints: readonly BrokerEndpoint[];
  readonly logger: Logger;
}) => Promise<ClosingSite>;

/** Makes a site when it is first asked for, so that a broker that nobody looks at pays nothing; one that fails is tried again. */
export class LazySite {
  readonly #make: () => Promise<ClosingSite>;
  #site: Promise<ClosingSite> | undefined;

  constructor(make: () => Promise<ClosingSite>) {
    this.#make = make;
  }

  get(): Promise<ClosingSite> {
    this.#site ??= this.#make();
    this.#site.catch(() => {
      this.#site = undefined;
    });
    return this.#site;
  }

  async close(): Promise<void> {
    const site = await this.#site?.catch(() => undefined);
    await site?.close();
  }
}
