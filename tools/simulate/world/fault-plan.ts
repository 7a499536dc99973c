import type { DeadDirection, Latency } from './connection.ts';
import type { Dice } from './dice.ts';
import type { PlannedFault } from './disk-faults.ts';
import { type PlannedThrow, throwPlaces, throwPorts } from './saboteur.ts';
import { type Scribble, type ScribbledNode, scribbledNodes, scribbles } from './scribbler.ts';

/** How the broker, or its machine, goes down. */
export interface Crash {
  /** What becomes of the bytes that are not synced: all are kept when only the process dies. */
  readonly keeps: 'all' | 'none' | 'some';
  /** Until the broker is started again. */
  readonly downMs: number;
  /** Whether clients' connections are reset, or just fall silent. */
  readonly tellsClients: boolean;
  /** How long the metadata store takes the session for alive: 0 with the embedded one. */
  readonly sessionMs: number;
}

/** Something that goes wrong in a world, as the plan has it. */
export type WorldFault =
  | { readonly kind: 'kill' | 'power'; readonly crash: Crash }
  | { readonly kind: 'restart'; readonly downMs: number }
  | { readonly kind: 'session' }
  | { readonly kind: 'store-loss'; readonly when: 'now' | 'before' | 'after'; readonly durationMs: number }
  | { readonly kind: 'store-stale'; readonly durationMs: number }
  | { readonly kind: 'dethrone'; readonly deafMs: number }
  | { readonly kind: 'clock-jump'; readonly offsetMs: number }
  | { readonly kind: 'no-handles'; readonly durationMs: number }
  | { readonly kind: 'disk-error'; readonly fault: PlannedFault }
  | { readonly kind: 'slow-disk'; readonly factor: number; readonly durationMs: number }
  | { readonly kind: 'full-disk'; readonly roomBytes: number; readonly durationMs: number }
  | { readonly kind: 'pause'; readonly durationMs: number }
  | { readonly kind: 'link'; readonly direction: 'one way' | 'both ways'; readonly durationMs: number }
  | { readonly kind: 'bit-flip' }
  | { readonly kind: 'metadata-flip' }
  | { readonly kind: 'cut'; readonly all: boolean }
  | { readonly kind: 'half-open'; readonly all: boolean; readonly direction: DeadDirection }
  | { readonly kind: 'network-down'; readonly durationMs: number }
  | { readonly kind: 'slow-network'; readonly latency: Latency; readonly durationMs: number }
  | { readonly kind: 'delete-records' }
  | { readonly kind: 'throw'; readonly planned: PlannedThrow }
  | {
      readonly kind: 'scribble';
      readonly node: ScribbledNode;
      readonly scribble: Scribble;
      readonly durationMs: number;
    };

export type FaultKind = WorldFault['kind'];

/** A fault and its hour. */
export interface PlannedEvent {
  readonly atMs: number;
  readonly fault: WorldFault;
}

/** How often a kind strikes among those that a seed has. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  kill: 4,
  power: 5,
  restart: 2,
  session: 1,
  'store-loss': 3,
  'store-stale': 1,
  dethrone: 2,
  'clock-jump': 2,
  'no-handles': 2,
  pause: 2,
  link: 4,
  'disk-error': 3,
  'slow-disk': 2,
  'full-disk': 2,
  'bit-flip': 2,
  cut: 3,
  'half-open': 3,
  'network-down': 1,
  'slow-network': 2,
  'delete-records': 2,
  'metadata-flip': 2,
  throw: 1,
  scribble: 1,
};

export const faultKinds: readonly FaultKind[] = Object.keys(WEIGHTS) as FaultKind[];

/**
 * Kinds that take records from a single replica for good: a leader that comes back with less than it has acknowledged takes them from all,
 * as in Kafka.
 */
const NEEDS_ONE_BROKER: ReadonlySet<FaultKind> = new Set(['bit-flip']);

/** Kinds that need several brokers. */
const NEEDS_CLUSTER: ReadonlySet<FaultKind> = new Set(['link', 'store-loss', 'store-stale', 'dethrone', 'scribble']);

/** Kinds that are planned beside the others, with dice of their own. */
const PLANNED_APART: ReadonlySet<FaultKind> = new Set(['throw', 'scribble']);

/** Kinds that take away what only a sync keeps. */
const NEEDS_SYNC: ReadonlySet<FaultKind> = new Set(['power', 'disk-error', 'bit-flip']);

/** A cluster of more brokers than this meets more faults. */
const BROKERS_PER_FAULT = 5;

/** How far a machine's clock may be from what it was. */
const CLOCK_JUMP_MS_MAX = 2 * 60 * 60 * 1000;

/** Of a hundred seeds, how many have a given kind of fault. */
const KIND_PERCENT = 45;

export interface FaultPlanOptions {
  readonly durationMs: number;
  readonly isDurable: boolean;
  readonly brokers: number;
  /** Whether the broker keeps its metadata itself, on its disk. */
  readonly ownsMetadata: boolean;
  /** Undefined: all. */
  readonly kinds: readonly FaultKind[] | undefined;
}

/** Draws what goes wrong and when. */
export function planFaults(
  dice: Dice,
  { durationMs, isDurable, brokers, ownsMetadata, kinds }: FaultPlanOptions,
): PlannedEvent[] {
  const isPossible = (kind: FaultKind): boolean =>
    (isDurable || !NEEDS_SYNC.has(kind)) &&
    (brokers > 1 ? !NEEDS_ONE_BROKER.has(kind) : !NEEDS_CLUSTER.has(kind)) &&
    (ownsMetadata || kind !== 'metadata-flip');
  const allowed = faultKinds.filter(
    (kind) => !PLANNED_APART.has(kind) && (kinds?.includes(kind) ?? true) && isPossible(kind),
  );
  const present = allowed.filter(() => dice.chance(KIND_PERCENT));
  const bag = present.flatMap((kind) => Array<FaultKind>(WEIGHTS[kind]).fill(kind));
  if (bag.length === 0) return [];
  const pauseMs = dice.pick([80, 200, 500]) / Math.max(1, brokers / BROKERS_PER_FAULT);
  const events: PlannedEvent[] = [];
  for (let atMs = dice.time(0, 2 * pauseMs); atMs < durationMs; atMs += dice.time(0, 2 * pauseMs)) {
    events.push({ atMs, fault: planFault(dice, dice.pick(bag)) });
  }
  return events;
}

/** Of a hundred seeds, how many have brokers whose own code throws. */
const THROWS_PERCENT = 25;
/** At which call of a port, at the latest, it does. */
const CALLS_MAX = 6;

/** Draws where the brokers' own code throws and when, with dice of their own: what else goes wrong in a seed stays what it is. */
export function planThrows(dice: Dice, { durationMs, kinds }: FaultPlanOptions): PlannedEvent[] {
  if (kinds !== undefined && !kinds.includes('throw')) return [];
  if (kinds === undefined && !dice.chance(THROWS_PERCENT)) return [];
  const pauseMs = dice.pick([20, 80, 300]);
  const events: PlannedEvent[] = [];
  for (let atMs = dice.time(0, 2 * pauseMs); atMs < durationMs; atMs += dice.time(0, 2 * pauseMs)) {
    const planned = { place: dice.pick(throwPlaces), port: dice.pick(throwPorts), call: dice.between(1, CALLS_MAX) };
    events.push({ atMs, fault: { kind: 'throw', planned } });
  }
  return events;
}

/**
 * Draws what is written over in the metadata store and when. Only where it is asked for: worlds of all other faults stay what they are, and a
 * broker without a controller for a second is not to be taken for a mistake of the others.
 */
export function planScribbles(dice: Dice, { durationMs, brokers, kinds }: FaultPlanOptions): PlannedEvent[] {
  if (brokers === 1 || kinds?.includes('scribble') !== true) return [];
  const pauseMs = dice.pick([50, 150, 400]);
  const events: PlannedEvent[] = [];
  for (let atMs = dice.time(0, 2 * pauseMs); atMs < durationMs; atMs += dice.time(0, 2 * pauseMs)) {
    const node = dice.pick(scribbledNodes);
    const scribble = dice.pick(scribbles);
    events.push({ atMs, fault: { kind: 'scribble', node, scribble, durationMs: dice.time(5, 1500) } });
  }
  return events;
}

function planFault(dice: Dice, kind: FaultKind): WorldFault {
  switch (kind) {
    case 'kill':
      return { kind, crash: planCrash(dice, 'all') };
    case 'power':
      return { kind, crash: planCrash(dice, dice.chance(40) ? 'none' : 'some') };
    case 'restart':
      return { kind, downMs: dice.time(0, 100) };
    case 'store-loss':
      return { kind, when: dice.pick(['now', 'before', 'after', 'after']), durationMs: dice.time(1, 400) };
    case 'store-stale':
      return { kind, durationMs: dice.time(1, 300) };
    case 'dethrone':
      return { kind, deafMs: dice.chance(70) ? dice.time(10, 800) : 0 };
    case 'clock-jump':
      return { kind, offsetMs: dice.chance(30) ? 0 : dice.between(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX) };
    case 'no-handles':
      return { kind, durationMs: dice.time(5, 400) };
    case 'disk-error':
      return { kind, fault: planDiskError(dice) };
    case 'slow-disk':
      return { kind, factor: dice.pick([5, 30, 200]), durationMs: dice.time(20, 400) };
    case 'full-disk':
      return { kind, roomBytes: dice.pick([0, 100, 1000]), durationMs: dice.time(20, 500) };
    case 'pause':
      return { kind, durationMs: dice.chance(30) ? dice.time(1500, 2500) : dice.time(10, 800) };
    case 'link':
      return { kind, direction: dice.pick(['one way', 'both ways']), durationMs: dice.time(20, 1500) };
    case 'cut':
      return { kind, all: dice.chance(40) };
    case 'half-open':
      return { kind, all: dice.chance(20), direction: dice.pick(['requests', 'responses', 'both']) };
    case 'network-down':
      return { kind, durationMs: dice.time(10, 500) };
    case 'slow-network':
      return { kind, latency: { leastMs: 0.1, mostMs: dice.pick([20, 200, 600]) }, durationMs: dice.time(50, 500) };
    case 'throw':
    case 'scribble':
      throw new Error(`${kind} is planned beside the other faults.`);
    default:
      return { kind };
  }
}

/** What a process' death and a machine's have in common. */
export function planCrash(dice: Dice, keeps: Crash['keeps']): Crash {
  return {
    keeps,
    downMs: dice.chance(30) ? dice.time(0, 5) : dice.time(5, 150),
    tellsClients: keeps === 'all' ? dice.chance(90) : dice.chance(30),
    sessionMs: dice.chance(70) ? 0 : dice.time(1, 1500),
  };
}

function planDiskError(dice: Dice): PlannedFault {
  return {
    kind: dice.pick([
      'read',
      'write',
      'write',
      'write',
      'sync',
      'sync',
      'sync',
      'open',
      'truncate',
      'rename',
      'syncFolder',
    ]),
    path: dice.pick(['.log', '.log', 'index', '.snapshot', '', '']),
    code: dice.chance(80) ? 'EIO' : 'ENOSPC',
  };
}
