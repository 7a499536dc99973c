import type { Logger } from '../shared/logger.ts';
import { tellAll } from '../shared/told.ts';

/** What has become of the in-sync replicas of a partition that is led here. */
interface Committed {
  readonly topic: string;
  readonly partition: number;
  readonly before: readonly number[];
  readonly isr: readonly number[];
}

/** Tells which replicas have joined or left: what came in one answer of the controller is told at once, for a broker that comes back joins all. */
export class IsrReports {
  readonly #logger: Logger;
  #committed: Committed[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  committed(committed: Committed): void {
    this.#committed.push(committed);
    // What else that answer has decided is taken over before this comes to its turn.
    if (this.#committed.length === 1) void Promise.resolve().then(() => this.#tellAll());
  }

  #tellAll(): void {
    const all = this.#committed;
    this.#committed = [];
    const hasLeft = ({ before, isr }: Committed): boolean => isr.length < before.length;
    const left = all.filter(hasLeft);
    const joined = all.filter((each) => !hasLeft(each));
    const goneFrom = ({ before, isr }: Committed): number[] => before.filter((id) => !isr.includes(id));
    const newTo = ({ before, isr }: Committed): number[] => isr.filter((id) => !before.includes(id));
    this.#tell(left, 'left', goneFrom);
    this.#tell(joined, 'joined', newTo);
  }

  #tell(all: readonly Committed[], verb: string, brokersOf: (each: Committed) => number[]): void {
    tellAll(all, {
      tell: (fields, message) => this.#logger.info(fields, message),
      fieldsOf: (each) => each,
      one: `In-sync replicas have ${verb}`,
      common: { brokers: [...new Set(all.flatMap(brokersOf))] },
      nameOf: ({ topic, partition }) => `${topic}-${partition}`,
      many: `In-sync replicas of many partitions have ${verb}`,
    });
  }
}
