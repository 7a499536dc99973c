import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { TlsOptions } from 'node:tls';
import type { Logger, SslSettings } from '@millrace/broker';
import { certificateNews } from './certificate-end.ts';
import { tlsMaterial } from './tls-settings.ts';

/** How often files are looked at. Links that are turned to another file, as orchestrators do it, show so too. */
const LOOK_MS = 2_000;
const DAY_MS = 86_400_000;

/** The key and certificates of one listener, read again when their files change. Connections that are open keep the old ones. */
export class LiveCertificates {
  readonly #listener: string;
  readonly #ssl: SslSettings;
  readonly #logger: Logger;
  readonly #files: readonly string[];
  readonly #changed = (): void => void this.reload();
  #options: TlsOptions;
  #onChange: ((options: TlsOptions) => void) | undefined;
  #daily: NodeJS.Timeout | undefined;

  private constructor(
    listener: string,
    ssl: SslSettings,
    logger: Logger,
    material: { readonly options: TlsOptions; readonly files: readonly string[] },
  ) {
    this.#listener = listener;
    this.#ssl = ssl;
    this.#logger = logger;
    this.#options = material.options;
    this.#files = material.files;
  }

  /** @throws StartError START_CONFIG_INVALID */
  static async open(listener: string, ssl: SslSettings, logger: Logger): Promise<LiveCertificates> {
    const material = await tlsMaterial(listener, ssl, (path) => readFile(path));
    return new LiveCertificates(listener, ssl, logger, material);
  }

  /** What holds for connections to come. */
  get options(): TlsOptions {
    return this.#options;
  }

  /** Calls `onChange` with what holds from then on, until {@link close}. */
  watch(onChange: (options: TlsOptions) => void): void {
    this.#onChange = onChange;
    this.#tellOfEnd();
    this.#daily = setInterval(() => this.#tellOfEnd(), DAY_MS).unref();
    for (const file of this.#files) watchFile(file, { interval: LOOK_MS, persistent: false }, this.#changed);
  }

  close(): void {
    clearInterval(this.#daily);
    for (const file of this.#files) unwatchFile(file, this.#changed);
  }

  /** At the start, with every new one, and once a day: Kafka starts with one whose time is over, and only clients say so. */
  #tellOfEnd(): void {
    const news = certificateNews(this.#listener, this.#options, new Date());
    if (news !== undefined) this.#logger[news.level]({ listener: this.#listener }, news.message);
  }

  /** Reads the files again. What does not fit together is left, and the old ones hold on. */
  async reload(): Promise<void> {
    try {
      const { options } = await tlsMaterial(this.#listener, this.#ssl, (path) => readFile(path));
      this.#options = options;
      this.#onChange?.(options);
      this.#tellOfEnd();
      this.#logger.info({ listener: this.#listener }, `Listener ${this.#listener} has taken up its new certificates`);
    } catch (err) {
      this.#logger.error(
        { err, listener: this.#listener },
        `The files of listener ${this.#listener}'s certificates have changed and cannot be used; the old ones hold on`,
      );
    }
  }
}
