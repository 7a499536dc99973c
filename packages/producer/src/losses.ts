import { ProducerError } from './errors.ts';

/** Counts records that were given to the producer without a promise and are lost, until somebody is there to be told. */
export class Losses {
  #count = 0;
  #first: Error | undefined;

  push(error: Error): void {
    this.#count += 1;
    this.#first ??= error;
  }

  /** @throws ProducerError `PRODUCER_RECORDS_LOST` for all losses since the last call, with the first one's reason as the cause */
  throwIfAny(): void {
    const [count, cause] = [this.#count, this.#first];
    if (cause === undefined) return;
    this.#count = 0;
    this.#first = undefined;
    throw new ProducerError(
      'PRODUCER_RECORDS_LOST',
      `${count === 1 ? '1 record given to enqueue was' : `${count} records given to enqueue were`} lost${count === 1 ? '' : ', the first'} because: ${cause.message}. ` +
        'Set onDeliveryError to hear of each, or use send for a promise of each',
      { cause },
    );
  }
}
