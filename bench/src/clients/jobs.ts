/** What a client under test is asked to do, and what it tells afterwards. The same for clients in Node, C and Java. */

interface ClientJob {
  readonly bootstrap: string;
  /** Whose processor time is counted as the broker's. */
  readonly brokerPid: number;
  readonly topic: string;
  readonly partitions: number;
  /** How the client is used; see `modes` of each client. */
  readonly mode: string;
  /** Where the client speaks TLS: the file of the authority that it trusts. Of librdkafka and ours. */
  readonly authority?: string;
}

/** Send as much as can be, and count what is acknowledged. */
export interface ProduceJob extends ClientJob {
  readonly kind: 'produce';
  readonly recordBytes: number;
  readonly acks: 1 | -1;
  readonly compression: 'none' | 'lz4';
  /** Sent before the clock starts: connections are made, code is compiled. */
  readonly warmUpMs: number;
  readonly timeMs: number;
}

/** Send records one by one at fixed times, whatever comes back, and see how long each takes until it is acknowledged. */
export interface LatencyJob extends ClientJob {
  readonly kind: 'latency';
  readonly recordBytes: number;
  readonly acks: 1 | -1;
  readonly ratePerSecond: number;
  readonly warmUpMs: number;
  readonly timeMs: number;
}

/** Send one record at a time, the next when the one before is acknowledged: what a program sees that awaits each send. */
export interface SingleJob extends ClientJob {
  readonly kind: 'single';
  readonly recordBytes: number;
  readonly acks: 1 | -1;
  readonly warmUpMs: number;
  readonly timeMs: number;
}

/** Send records at fixed times, and see how long each takes until a consumer in the same process has read it. */
export interface TailJob extends ClientJob {
  readonly kind: 'tail';
  readonly recordBytes: number;
  readonly acks: 1 | -1;
  readonly ratePerSecond: number;
  readonly warmUpMs: number;
  readonly timeMs: number;
}

/** Read a topic from its beginning. */
export interface ConsumeJob extends ClientJob {
  readonly kind: 'consume';
  /** How many there are. */
  readonly records: number;
  /** Read before the clock starts, at the most; less if they take longer than `warmUpMs`. */
  readonly warmUpRecords: number;
  readonly warmUpMs: number;
  /** After this long the reading ends, wherever it is. */
  readonly timeMs: number;
}

/** Write one transaction after the other; of librdkafka. What is counted as records are transactions. */
export interface TransactJob extends ClientJob {
  readonly kind: 'transact';
  /** In each transaction. */
  readonly records: number;
  readonly recordBytes: number;
  readonly acks: -1;
  readonly warmUpMs: number;
  readonly timeMs: number;
}

export type Job = ProduceJob | LatencyJob | SingleJob | TailJob | ConsumeJob;

/** Of producing and consuming. */
export interface ThroughputResult {
  /** Acknowledged, or read, while the clock ran. */
  readonly records: number;
  readonly seconds: number;
  /** Processor time of the client's process, all threads, while the clock ran. */
  readonly cpuMs: number;
  /** And of the broker's. */
  readonly brokerCpuMs: number;
  /** Bytes of values. */
  readonly bytes: number;
  readonly rssBytes: number;
}

/** Milliseconds from when a record should have been sent until it was acknowledged, or read. */
export interface LatencyResult {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** How late the client itself was in sending: 99 of 100 records were sent at most so long after they were due. Part of the above. */
  readonly lagP99: number;
  readonly records: number;
  readonly cpuMs: number;
  readonly brokerCpuMs: number;
}

/** Send the same batch again and again, as `raw-child.ts` does. */
export interface RawJob {
  readonly bootstrap: string;
  readonly brokerPid: number;
  /** Requests go to one after the other, and within a topic to one partition after the other. */
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly connections: number;
  /** Requests under way on each connection. */
  readonly inFlight: number;
  readonly batchBytes: number;
  /** Produce where nothing is said. Fetch reads one batch, always the same. */
  readonly api?: 'Produce' | 'Fetch';
  /** So many are measured at least, and as many sent to warm up, however long that takes; none where nothing is said. */
  readonly requestsMin?: number;
  readonly warmUpMs: number;
  readonly timeMs: number;
}

/** Latencies are of a closed loop, from the sending of a request to its answer, in milliseconds. */
export interface RawResult {
  readonly requests: number;
  readonly seconds: number;
  readonly cpuMs: number;
  readonly brokerCpuMs: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
}
