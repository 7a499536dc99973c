import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { ClusterImage } from '../cluster/cluster-image.ts';

/** Lets requests wait until this broker knows what they brought about. */
export class ImageWaits {
  readonly #cluster: ClusterImage;
  readonly #clock: Clock;

  constructor(cluster: ClusterImage, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** Resolves with whether `holds` became true of the image within the time. */
  until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    if (timeoutMs <= 0) return Promise.resolve(false);
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (outcome: boolean): void => {
        timer.cancel();
        forget();
        resolve(outcome);
      };
      const timer = this.#clock.schedule(timeoutMs, () => end(false));
      const forget = this.#cluster.onChange(() => {
        if (holds()) end(true);
      });
    });
  }

  /** What a promise resolves with within the time; undefined when it has not by then, and goes on unheard. */
  atMost<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.schedule(Math.max(timeoutMs, 0), () => resolve(undefined));
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Resolves with whether a node went within the time. */
  untilGone(store: MetadataStore, path: string, timeoutMs: number): Promise<boolean> {
    if (timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.schedule(timeoutMs, () => resolve(false));
      const look = (): void => {
        store.exists(path, { watch: look }).then(
          (stat) => {
            if (stat !== undefined) return;
            timer.cancel();
            resolve(true);
          },
          (error: unknown) => {
            timer.cancel();
            reject(error);
          },
        );
      };
      look();
    });
  }
}
