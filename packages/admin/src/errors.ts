import { KafkaError } from '@millrace/client';

/**
 * Some of the items of one call failed. Those that are not in `failures` were carried out.
 *
 * @example
 * ```ts
 * try {
 *   await admin.createTopics([{ topic: 'a' }, { topic: 'b' }]);
 * } catch (error) {
 *   if (error instanceof AdminItemsError && error.failures.get('a')?.code === 'KAFKA_TOPIC_ALREADY_EXISTS') return;
 *   throw error;
 * }
 * ```
 */
export class AdminItemsError extends KafkaError {
  override name = 'AdminItemsError';
  /** What went wrong, by the item: a topic, a group, `topic-partition`, a config resource as `type:name`. */
  readonly failures: ReadonlyMap<string, KafkaError>;

  constructor(attempt: string, failures: ReadonlyMap<string, KafkaError>, itemCount: number) {
    const [first] = failures.values();
    const others = failures.size - 1;
    const rest = others === 0 ? '' : `; and ${others} more, see failures`;
    super(`${attempt} failed for ${failures.size} of ${itemCount}: ${first?.message ?? 'no reason given'}${rest}`, {
      // The code of a failure that stands alone is the most useful one; of several, the first speaks for them.
      code: first?.code ?? 'ADMIN_ITEMS_FAILED',
      retriable: [...failures.values()].every((failure) => failure.retriable),
      errorCode: first?.errorCode,
      cause: first,
    });
    this.failures = failures;
  }
}

/** Collects the failures of a call's items and throws them together. */
export class ItemFailures {
  readonly #attempt: string;
  readonly #failures = new Map<string, KafkaError>();
  #itemCount = 0;

  constructor(attempt: string) {
    this.#attempt = attempt;
  }

  /** Counts an item; returns whether it succeeded. */
  add(item: string, failure: KafkaError | undefined): boolean {
    this.#itemCount += 1;
    if (failure !== undefined) this.#failures.set(item, failure);
    return failure === undefined;
  }

  /** @throws AdminItemsError when an item failed */
  throwIfAny(): void {
    if (this.#failures.size > 0) throw new AdminItemsError(this.#attempt, this.#failures, this.#itemCount);
  }
}
