import { GoneTopics, type GoneTopicsOptions } from './gone-topics.ts';
import { PeerNews, type PeerNewsOptions } from './peer-news.ts';

/** What a broker finds out by itself, because no controller tells it: who leads while none reaches it, and which topics went meanwhile. */
export class MissedNews {
  readonly #peers: PeerNews;
  readonly #goneTopics: GoneTopics;

  constructor(options: PeerNewsOptions & GoneTopicsOptions) {
    this.#peers = new PeerNews(options);
    this.#goneTopics = new GoneTopics(options);
  }

  start(): this {
    this.#peers.start();
    this.#goneTopics.start();
    return this;
  }

  stop(): void {
    this.#peers.stop();
    this.#goneTopics.stop();
  }

  /** The broker has registered anew. */
  load(): Promise<void> {
    return this.#goneTopics.load();
  }
}
