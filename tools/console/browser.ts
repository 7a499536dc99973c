/** The browser that looks at the page: Debian's Chromium, and pages of it that are kept from test to test. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Faults } from './faults.ts';

/**
 * Where there is no graphics card Chromium would have the processor play one, which takes longer than to draw without. Debian's way to start it
 * asks for that by itself.
 */
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-gpu-rasterization'];
const HEIGHT = 844;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });
}

/** What waits breathes, and is drawn anew all that time: who waits for a page would have it wait longer. */
export const STILL: BrowserContextOptions = { reducedMotion: 'reduce' };

/** How a page is looked at. */
export interface Look {
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly locale?: string;
}

/**
 * A page for each language, which tests take one after the other: a new context has a process of its own and nothing of what the page is made of,
 * and to open it takes more than most tests do with it.
 */
export class KeptPages {
  readonly #browser: Browser;
  readonly #faults: Faults;
  readonly #pages = new Map<string, Page>();

  constructor(browser: Browser, faults: Faults) {
    this.#browser = browser;
    this.#faults = faults;
  }

  async open(address: string, { theme = 'light', width = 1280, locale = 'en-US' }: Look = {}): Promise<Page> {
    const kept = this.#pages.get(locale);
    const page = kept === undefined || kept.isClosed() ? await this.#make(locale) : kept;
    await page.setViewportSize({ width, height: HEIGHT });
    await page.emulateMedia({ colorScheme: theme });
    await page.goto(address);
    return page;
  }

  /** Ends what goes on in them, and leaves nothing of it to the next. */
  async clear(): Promise<void> {
    for (const page of this.#pages.values()) {
      // A test may have closed its own; the next one is given another.
      if (page.isClosed() || page.url() === 'about:blank') continue;
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      // What a browser shows where an address does not answer has no storage.
      await page.evaluate('localStorage.clear(), sessionStorage.clear()').catch(() => undefined);
      await page.context().clearCookies();
      await page.goto('about:blank');
    }
  }

  async #make(locale: string): Promise<Page> {
    const context = await this.#browser.newContext({ ...STILL, locale });
    const page = await context.newPage();
    this.#faults.watch(page);
    this.#pages.set(locale, page);
    return page;
  }
}
