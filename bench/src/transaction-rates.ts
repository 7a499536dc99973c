/** What transactions a second are told as: a row of a table, and facts that the aims are judged by. */
import type { Fact } from './bench.ts';
import { digits, summarize, timesByRound } from './report/statistics.ts';

export const CLIENTS = ['Millrace', 'librdkafka'] as const;
/** What is measured: each of ours stands before the one that it is compared with. */
export const KINDS = ['Millrace, sync per ack', 'Kafka, sync per ack', 'Millrace, no sync', 'Kafka, no sync'];

/** How large a transaction is. */
export interface TransactionSize {
  readonly partitions: number;
  readonly records: number;
}

type Client = (typeof CLIENTS)[number];

export function rateTitle(client: Client): string {
  return `Transactions a second, one after the other, by ${client === 'librdkafka' ? client : 'our producer'}`;
}

/** What the aims are judged by: a value per round of each kind of broker that was measured. */
export function rateFacts(
  { records, partitions }: TransactionSize,
  client: Client,
  of: (kind: string) => readonly number[],
): Fact[] {
  const load = `${records} record${records === 1 ? '' : 's'}, ${partitions} partition${partitions === 1 ? '' : 's'}`;
  const measured = KINDS.filter((kind) => of(kind).length > 0);
  return measured.map((broker) => {
    return { what: 'transactions/s', broker, client, load, values: of(broker), table: rateTitle(client) };
  });
}

/** @param of what each round has measured of a kind of broker */
export function rateRow({ records, partitions }: TransactionSize, of: (kind: string) => readonly number[]): string[] {
  return [
    String(records),
    String(partitions),
    ...KINDS.map((kind) => summarize(of(kind), digits)),
    timesByRound(of(KINDS[0]!), of(KINDS[1]!)),
    timesByRound(of(KINDS[2]!), of(KINDS[3]!)),
  ];
}
