/** What cases for Kafka's tools of transactions work with. */
export interface TransactionTools {
  readonly bootstrap: string;
  readonly version: string;
  readonly topic: string;
  run(tool: string, args: readonly string[]): Promise<string>;
  topics(...args: string[]): Promise<string>;
}

export type NamedCase = readonly [string, () => Promise<string | undefined>];
