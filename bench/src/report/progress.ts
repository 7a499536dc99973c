/** How far a run is, and how long it will take: from what the same benches took the last time, or what they say they take. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const BAR_CHARS = 20;

/** A bench that is to run, and how long it is thought to take. */
export interface Planned {
  readonly name: string;
  readonly seconds: number;
}

export class Progress {
  readonly #startedMs = performance.now();
  readonly #planned: readonly Planned[];
  #current = -1;
  #currentStartedMs = 0;

  constructor(planned: readonly Planned[]) {
    this.#planned = planned;
  }

  /** Says what is to come. */
  announce(): void {
    const each = this.#planned.map(({ name, seconds }) => `${name} ${minutes(seconds)}`).join(', ');
    const total = this.#planned.reduce((sum, { seconds }) => sum + seconds, 0);
    process.stderr.write(`This will take about ${minutes(total)} minutes: ${each}\n`);
  }

  begin(name: string): void {
    this.#current = this.#planned.findIndex((planned) => planned.name === name);
    this.#currentStartedMs = performance.now();
  }

  say(text: string): void {
    const current = this.#planned[this.#current];
    const before = this.#planned.slice(0, Math.max(this.#current, 0)).reduce((sum, { seconds }) => sum + seconds, 0);
    const total = this.#planned.reduce((sum, { seconds }) => sum + seconds, 0);
    const inCurrent = Math.min((performance.now() - this.#currentStartedMs) / 1000, current?.seconds ?? 0);
    const share = Math.min((before + inCurrent) / (total || 1), 0.99);
    const filled = Math.round(share * BAR_CHARS);
    const bar = '#'.repeat(filled) + '.'.repeat(BAR_CHARS - filled);
    const left = minutes(total - before - inCurrent);
    const elapsed = ((performance.now() - this.#startedMs) / 1000).toFixed(0).padStart(5);
    process.stderr.write(`${elapsed} s [${bar}] ${left} min left  ${current?.name ?? ''}: ${text}\n`);
  }
}

function minutes(seconds: number): string {
  return (seconds / 60).toFixed(1);
}

/** How long benches took on this machine the last time, by name and settings; kept between runs. */
export class Durations {
  readonly #file: string;
  readonly #seconds: Record<string, number>;

  constructor(file: string) {
    this.#file = file;
    this.#seconds = readJson(file);
  }

  of(key: string): number | undefined {
    return this.#seconds[key];
  }

  note(key: string, seconds: number): void {
    this.#seconds[key] = Math.round(seconds);
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, `${JSON.stringify(this.#seconds, undefined, 1)}\n`);
  }
}

function readJson(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}
