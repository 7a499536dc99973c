import { runNextTurn } from '@millrace/ports';

/** What waits for its turn: the outcome of a read or a write, or the watches that a write sets off. */
interface Delivery {
  ready: boolean;
  readonly isEvent: boolean;
  run: () => void;
}

/**
 * Hands out results and watch events in the order in which the tree was read and changed, and nothing before the writes
 * in front of it are durable. So no reader sees a state that a crash could take back.
 */
export class DeliveryQueue {
  #queue: Delivery[] = [];
  #resultsThisTurn = false;
  #paused = false;
  #draining = false;

  /** Queues what can be delivered as soon as all in front of it has been. */
  push(run: () => void): void {
    this.#queue.push({ ready: true, isEvent: false, run });
    this.#drain();
  }

  /** Queues the events and the result of a write; the returned function releases them. */
  pushWrite(events: (() => void) | undefined, result: () => void): () => void {
    const parts: Delivery[] = [];
    if (events !== undefined) parts.push({ ready: false, isEvent: true, run: events });
    parts.push({ ready: false, isEvent: false, run: result });
    this.#queue.push(...parts);
    return () => {
      for (const part of parts) part.ready = true;
      this.#drain();
    };
  }

  #drain(): void {
    // A watcher may call the store again from within; the loop that is running sees what that adds.
    if (this.#draining || this.#paused) return;
    this.#draining = true;
    let delivered = 0;
    for (let next = this.#queue[0]; next?.ready === true; next = this.#queue[delivered]) {
      if (next.isEvent && this.#resultsThisTurn) {
        this.#pauseUntilNextTurn();
        break;
      }
      delivered += 1;
      if (!next.isEvent) this.#markResult();
      next.run();
    }
    this.#queue.splice(0, delivered);
    this.#draining = false;
  }

  /**
   * A promise that was resolved tells its waiters some microtasks later, an event at once. So an event that follows a
   * result waits for the next turn of the event loop: whoever awaited the result has been told by then.
   */
  #pauseUntilNextTurn(): void {
    this.#paused = true;
    runNextTurn(() => {
      this.#paused = false;
      this.#resultsThisTurn = false;
      this.#drain();
    });
  }

  #markResult(): void {
    if (this.#resultsThisTurn) return;
    this.#resultsThisTurn = true;
    runNextTurn(() => {
      this.#resultsThisTurn = false;
    });
  }
}
