import type { Peers } from '@millrace/broker';
import type { MetadataStore } from '@millrace/metadata';
import type { RequestHandler } from '@millrace/network';
import type { Disk } from '@millrace/ports';
import type { Anomaly } from './checker/violation.ts';
import type { Dice } from './world/dice.ts';
import type { FaultKind } from './world/fault-plan.ts';
import type { SimulatedClock } from './world/simulated-clock.ts';

/** What a broken build may use beside the part that it wraps. */
export interface BuildTools {
  readonly clock: SimulatedClock;
  readonly dice: Dice;
}

/**
 * The broker as it is run: as it is, or with something broken that the checker must find. What is broken wraps the broker's
 * ports and requests; the product has no switch for it.
 */
export interface Build {
  readonly name: string;
  /** What is wrong with it, in a sentence. */
  readonly what: string;
  /** The rule that catches it, where it is known which must; others may as well. */
  readonly rule?: Anomaly;
  /** The faults that bring it out soonest; all by default. */
  readonly faults?: readonly FaultKind[];
  /** Wraps the disk of each process. */
  disk?(disk: Disk, tools: BuildTools): Disk;
  /** Wraps the disk of the broker's own metadata store. */
  metadataDisk?(disk: Disk): Disk;
  /** Wraps the requests of each process. */
  handler?(handler: RequestHandler, tools: BuildTools): RequestHandler;
  /** Wraps what each process asks of its peers. */
  peers?(peers: Peers, tools: BuildTools): Peers;
  /** Wraps the session of each process with an ensemble. */
  store?(store: MetadataStore, tools: BuildTools): MetadataStore;
  /** Settings of the brokers that are other than they should be. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether it takes transactions to find out. */
  readonly hasTransactions?: boolean;
  /** The first seed that is known to find it, where that is none of the first few. */
  readonly seed?: number;
  /** How many brokers it takes to find out. Default 1. */
  readonly brokers?: number;
}

/** The broker as it is. */
export const SOUND: Build = { name: 'sound', what: 'nothing is broken' };
