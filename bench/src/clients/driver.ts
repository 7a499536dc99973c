/** What the clients in Node have to provide; `client-child.ts` does the measuring for all of them. */
import type { ConsumeJob, LatencyJob, ProduceJob, SingleJob, TailJob } from './jobs.ts';

export interface ProducerDriver {
  /** Sends values until `isOver`, as fast as the client takes them; resolves with their number when all are acknowledged. */
  pump(values: readonly Buffer[], isOver: () => boolean): Promise<number>;
  /** Sends one value; resolves when it is acknowledged. */
  send(value: Buffer): Promise<unknown>;
  close(): Promise<void>;
}

export interface ConsumerDriver {
  /**
   * Reads from the beginning and tells of what it reads, in lots as they come, having looked at every value; ends when told
   * false.
   */
  consume(onRecords: (count: number, bytes: number) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** What a producer is made for. */
export type SendingJob = ProduceJob | LatencyJob | SingleJob | TailJob;

/** A client library. */
export interface ClientDriver {
  producer(job: SendingJob): Promise<ProducerDriver>;
  consumer(job: ConsumeJob): Promise<ConsumerDriver>;
}

/** Calls `sendLot` for lots of values with so many in flight, until it is over; resolves with the number of values sent. */
export async function pumpLots(
  values: readonly Buffer[],
  lotRecords: number,
  lotsInFlight: number,
  isOver: () => boolean,
  sendLot: (values: readonly Buffer[]) => Promise<unknown>,
): Promise<number> {
  let sent = 0;
  let at = 0;
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      if (at + lotRecords > values.length) at = 0;
      const lot = values.slice(at, at + lotRecords);
      at += lotRecords;
      await sendLot(lot);
      sent += lot.length;
    }
  };
  await Promise.all(Array.from({ length: lotsInFlight }, lane));
  return sent;
}
