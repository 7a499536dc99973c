import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { TlsOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { ListenerCertificates, Logger, SslSettings } from '@millrace/broker';
import { certificateNews } from './certificate-end.ts';
import { replacementFault, untrustedByItself } from './replacement.ts';
import { tlsMaterial } from './tls-settings.ts';

/** How often files are looked at. Links that are turned to another file, as orchestrators do it, show so too. */
const LOOK_MS = 2_000;
const DAY_MS = 86_400_000;

/** The key and certificates of one listener, read again when their files change. Connections that are open keep the old ones. */
export class LiveCertificates {
  readonly #listener: string;
  #ssl: SslSettings;
  readonly #logger: Logger;
  #files: readonly string[];
  readonly #changed = (): void => void this.reload();
  #options: TlsOptions;
  #reading: Promise<void> = Promise.resolve();
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
    this.#watchFiles();
  }

  #watchFiles(): void {
    for (const file of this.#files) watchFile(file, { interval: LOOK_MS, persistent: false }, this.#changed);
  }

  close(): void {
    clearInterval(this.#daily);
    for (const file of this.#files) unwatchFile(file, this.#changed);
  }

  /** Why other files cannot take the place of the present ones; undefined where they can. */
  async changeFault(ssl: SslSettings, isForBrokers: boolean): Promise<string | undefined> {
    const what = `The certificate that listener ${this.#listener} would have cannot be taken: `;
    try {
      const { options } = await tlsMaterial(this.#listener, ssl, (path) => readFile(path));
      const fault =
        replacementFault(this.#options, options, ssl) ?? (isForBrokers ? await this.#brokersFault(options) : undefined);
      return fault === undefined ? undefined : `${what}${fault}.`;
    } catch (error) {
      return `${what}${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Where brokers do not trust the present one, they do not speak to each other, and nothing is lost. */
  async #brokersFault(options: TlsOptions): Promise<string | undefined> {
    const fault = await untrustedByItself(options);
    return fault === undefined || (await untrustedByItself(this.#options)) !== undefined ? undefined : fault;
  }

  /** Takes its certificates from other files, or from the same where they have changed. */
  async change(ssl: SslSettings): Promise<void> {
    this.#ssl = ssl;
    await this.reload();
  }

  /** At the start, with every new one, and once a day: Kafka starts with one whose time is over, and only clients say so. */
  #tellOfEnd(): void {
    const news = certificateNews(this.#listener, this.#options, new Date());
    if (news !== undefined) this.#logger[news.level]({ listener: this.#listener }, news.message);
  }

  #follow(files: readonly string[]): void {
    if (isDeepStrictEqual(files, this.#files)) return;
    for (const file of this.#files) unwatchFile(file, this.#changed);
    this.#files = files;
    if (this.#onChange !== undefined) this.#watchFiles();
  }

  /** Reads the files again. What does not fit together is left, and the old ones hold on. */
  reload(): Promise<void> {
    // One after the other, so that what was read first does not take the place of what was read last.
    this.#reading = this.#reading.then(() => this.#reload());
    return this.#reading;
  }

  async #reload(): Promise<void> {
    try {
      const { options, files } = await tlsMaterial(this.#listener, this.#ssl, (path) => readFile(path));
      this.#follow(files);
      if (isDeepStrictEqual(options, this.#options)) return;
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

/** The certificates of a broker's listeners, as its settings change them. */
export function changingCertificates(
  certificates: ReadonlyMap<string, LiveCertificates>,
  interBrokerListener: string,
): ListenerCertificates {
  return {
    async check(security) {
      for (const [name, live] of certificates) {
        const ssl = security.get(name)?.ssl;
        const fault = ssl === undefined ? undefined : await live.changeFault(ssl, name === interBrokerListener);
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
    async apply(security) {
      for (const [name, live] of certificates) {
        const ssl = security.get(name)?.ssl;
        if (ssl !== undefined) await live.change(ssl);
      }
    },
  };
}
