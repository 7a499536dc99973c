import type { ShownHeader } from '../../../src/api/contract.ts';

/** What a message that was set aside says of where it is from and why. */
export interface DeadLetter {
  readonly topic: string;
  /** As it is said there: partition and offset, as far as they are told. */
  readonly place: string;
  /** Undefined where nobody says why. */
  readonly error: string | undefined;
  /** What the names of the headers begin with that say so: they go when it is sent back. */
  readonly prefix: string;
}

/** Who sets messages aside, and what they call what they say: `@millrace/consumer`, Kafka Connect, Spring. */
const KINDS = [
  {
    prefix: 'dead-letter-',
    topic: 'topic',
    partition: 'partition',
    offset: 'offset',
    name: 'error-name',
    message: 'error-message',
  },
  {
    prefix: '__connect.errors.',
    topic: 'topic',
    partition: 'partition',
    offset: 'offset',
    name: 'exception.class.name',
    message: 'exception.message',
  },
  {
    prefix: 'kafka_dlt-',
    topic: 'original-topic',
    partition: 'original-partition',
    offset: 'original-offset',
    name: 'exception-fqcn',
    message: 'exception-message',
  },
] as const;

/** Undefined where it is none that anybody is known to have set aside. */
export function deadLetterOf(headers: readonly ShownHeader[]): DeadLetter | undefined {
  const said = (name: string): string | undefined => headers.findLast((each) => each.name === name)?.value.text;
  for (const { prefix, ...names } of KINDS) {
    const topic = said(prefix + names.topic);
    if (topic === undefined) continue;
    const [partition, offset] = [said(prefix + names.partition), said(prefix + names.offset)];
    const why = [said(prefix + names.name), said(prefix + names.message)].filter((each) => each !== undefined);
    return {
      topic,
      place: partition === undefined ? topic : `${topic} ${partition}${offset === undefined ? '' : `:${offset}`}`,
      error: why.length === 0 ? undefined : why.join(': '),
      prefix,
    };
  }
  return undefined;
}
