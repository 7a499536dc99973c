import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { TlsOptions } from 'node:tls';
import type { Logger, SslSettings } from '@millrace/broker';
import { tlsMaterial } from './tls-settings.ts';

/** How often files are looked at. Links that are turned to another file, as orchestrators do it, show so too. */
const LOOK_MS = 2_000;

/** The key and certificates of one listener, read again when their files change. Connections that are open keep the old ones. */
export class LiveCertificates {
  readonly #listener: string;
  readonly #ssl: SslSettings;
  readonly #logger: Logger;
  readonly #files: readonly string[];
  readonly #changed = (): void => void this.reload();
  #options: TlsOptions;
  #onChange: ((options: TlsOptions) => void) | undefined;

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
    return new LiveCertificates(listener, ssl, logger, await tlsMaterial(listener, ssl, (path) => readFile(path)));
  }

  /** What holds for connections to come. */
  get options(): TlsOptions {
    return this.#options;
  }

  /** Calls `onChange` with what holds from then on, until {@link close}. */
  watch(onChange: (options: TlsOptions) => void): void {
    this.#onChange = onChange;
    for (const file of this.#files) watchFile(file, { interval: LOOK_MS, persistent: false }, this.#changed);
  }

  close(): void {
    for (const file of this.#files) unwatchFile(file, this.#changed);
  }

  /** Reads the files again. What does not fit together is left, and the old ones hold on. */
  async reload(): Promise<void> {
    try {
      const { options } = await tlsMaterial(this.#listener, this.#ssl, (path) => readFile(path));
      this.#options = options;
      this.#onChange?.(options);
      this.#logger.info({ listener: this.#listener }, `Listener ${this.#listener} has taken up its new certificates`);
    } catch (err) {
      this.#logger.error(
        { err, listener: this.#listener },
        `The files of listener ${this.#listener}'s certificates have changed and cannot be used; the old ones hold on`,
      );
    }
  }
}
