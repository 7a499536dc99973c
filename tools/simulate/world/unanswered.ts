import type { RequestHandler } from '@millrace/network';
import { apiByKey } from '@millrace/protocol';

/** A request that a broker has taken and not answered yet. */
export interface OpenRequest {
  /** What was asked. */
  readonly api: string;
  readonly sinceMs: number;
  readonly isOpen: boolean;
}

/**
 * The requests that one process has taken and not answered. Whatever makes them wait there (records, in-sync replicas, members of a group, the
 * controller), they wait here too, so that none can be forgotten, also when who has asked is gone.
 */
export class Unanswered {
  readonly #open = new Set<OpenRequest>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get requests(): readonly OpenRequest[] {
    return [...this.#open];
  }

  watching(handler: RequestHandler): RequestHandler {
    return {
      handle: (frame, ...rest) => {
        const api = frame.length < 2 ? 'garbage' : nameOf(frame.readInt16BE(0));
        const answered = handler.handle(frame, ...rest);
        if (answered instanceof Promise) this.#follow(api, answered);
        return answered;
      },
      connectionClosed: (connection) => handler.connectionClosed?.(connection),
    };
  }

  #follow(api: string, answered: Promise<unknown>): void {
    const request = { api, sinceMs: this.#now(), isOpen: true };
    this.#open.add(request);
    const over = (): void => {
      request.isOpen = false;
      this.#open.delete(request);
    };
    answered.then(over, over);
  }
}

function nameOf(key: number): string {
  return apiByKey.get(key)?.name ?? `API ${key}`;
}
