import type { Violation } from './checker/violation.ts';
import type { HistoryEvent } from './history.ts';

/** A line of the trace: when, who, what. */
export type TraceLine = (elapsedMs: number, who: string, message: string) => void;

/** Lines of a trace that are printed for a violation. */
const LINES_MAX = 80;

/** Who did what, in a line. */
export function describeEvent(event: HistoryEvent): [who: string, message: string] {
  switch (event.kind) {
    case 'send': {
      const what = `${range(event.values)} to ${event.partition}`;
      if (event.end === Number.POSITIVE_INFINITY) return [event.client, `sends ${what}`];
      return [
        event.client,
        `${what}: ${event.outcome === 'ok' ? `from offset ${event.baseOffset} on` : event.outcome}`,
      ];
    }
    case 'poll': {
      const values = event.skipped ?? range(event.records.map(([, value]) => value));
      return [event.client, `reads ${event.partition} at ${event.position}: ${values}; goes on at ${event.next}`];
    }
    case 'assign':
      return [
        event.client,
        `takes up ${event.partition} at ${event.position}${ofGroup(event.group, event.generation)}`,
      ];
    case 'commit': {
      const what = `${event.offset} of ${event.partition} for ${event.group}`;
      if (event.end === Number.POSITIVE_INFINITY) return [event.client, `commits ${what}`];
      return [event.client, `commit of ${what}: ${event.outcome}`];
    }
    case 'committed':
      return [event.client, `is told that ${event.group} has committed ${event.offset} of ${event.partition}`];
    case 'offsets':
      return [event.client, `is told that ${event.partition} goes from ${event.earliest} to ${event.latest}`];
    case 'delete':
      return ['admin', `deletes ${event.partition} before ${event.offset}: ${event.outcome}`];
    case 'audit': {
      const { partition, records, logStart, highWatermark, damaged } = event;
      const faults = damaged.length === 0 ? '' : `, ${damaged.length} offsets damaged`;
      return [
        'auditor',
        `finds ${records.length} records in ${partition} from ${logStart} to ${highWatermark}${faults}`,
      ];
    }
    case 'loss':
      return ['broker', `reports that ${event.partition} is lost from ${event.offset} on`];
    case 'renewal':
      return ['broker', `has a replica of ${event.partition} that begins anew at ${event.offset}`];
    case 'damage':
      return ['world', `damages ${event.partition}: ${event.file}`];
    case 'protest':
      return [event.client, `protests (${event.anomaly}): ${event.message}`];
  }
}

function range(values: readonly string[]): string {
  if (values.length === 0) return 'nothing';
  return values.length === 1 ? values[0]! : `${values[0]} ... ${values.at(-1)} (${values.length})`;
}

function ofGroup(group: string | null, generation: number): string {
  return group === null ? '' : ` in generation ${generation} of ${group}`;
}

/** A line as it is printed. */
export function formatLine(elapsedMs: number, who: string, message: string): string {
  return `${elapsedMs.toFixed(3).padStart(11)}  ${who.padEnd(8)} ${message}`;
}

/** What of a trace has to do with a violation: its partition, the clients, groups and values that it names, the world's faults. */
export function excerpt(lines: readonly string[], { partition, message }: Violation): string[] {
  const names = message.match(/\b[gpr]\d+(\.\d+)?\b/g) ?? [];
  const matters = (line: string): boolean => {
    const who = line.slice(13, 21).trim();
    if (who === 'world') return true;
    if (who === 'broker') return /(warn|error): /.test(line);
    const isOfPartition = partition === null || line.includes(partition);
    return isOfPartition && (names.length === 0 || names.some((name) => line.includes(name)));
  };
  const found = lines.filter(matters);
  if (found.length <= LINES_MAX) return found;
  const left = found.length - LINES_MAX;
  return [...found.slice(0, LINES_MAX / 4), `... ${left} lines ...`, ...found.slice(-(LINES_MAX * 3) / 4)];
}
