/** One thing that is measured again and again in a loop. */
export interface MicroCase {
  /** Called until the time is up; a promise is awaited. */
  run(): unknown;
  /** How many records (or messages, or batches) one call deals with. */
  readonly units: number;
  /** How many bytes one call deals with. */
  readonly bytes: number;
  /** Takes down what the case has set up. */
  end?(): Promise<void>;
}

/** Sets a case up. */
export type MakeCase = () => MicroCase | Promise<MicroCase>;

/** What a child tells of its case. */
export interface CaseResult {
  /** The median time of a call. */
  readonly callNs: number;
  readonly units: number;
  readonly bytes: number;
}
