/** What a browser says has gone wrong on its pages, told apart from what a test has provoked. */
import type { Page } from 'playwright-core';

/** Of the pages that it watches. */
export class Faults {
  readonly #seen: string[] = [];
  readonly #provoked: RegExp[] = [];
  readonly #excused: RegExp[] = [];

  watch(page: Page): void {
    page.on('pageerror', (error) => this.#seen.push(`${page.url()}: ${error.message}`));
    // A browser notes every answer that is no success, with the address.
    page.on('console', (line) => {
      if (line.type() === 'error') this.#seen.push(`${line.text()} ${line.location().url}`);
    });
  }

  /** What comes of what a test does on purpose: it is no fault, and has to come. */
  provoke(...faults: readonly RegExp[]): void {
    this.#provoked.push(...faults);
  }

  /** What may come of it and need not, since two are under way and either may be the first. */
  excuse(...faults: readonly RegExp[]): void {
    this.#excused.push(...faults);
  }

  /** What has gone wrong since the last time, and what should have and has not. */
  take(): { readonly unprovoked: string[]; readonly missing: string[] } {
    const seen = this.#seen.splice(0);
    const provoked = this.#provoked.splice(0);
    const expected = [...provoked, ...this.#excused.splice(0)];
    return {
      unprovoked: seen.filter((fault) => !expected.some((each) => each.test(fault))),
      missing: provoked.filter((each) => !seen.some((fault) => each.test(fault))).map(String),
    };
  }
}

/** Nothing has gone wrong. */
export const FAULTLESS: ReturnType<Faults['take']> = { unprovoked: [], missing: [] };
