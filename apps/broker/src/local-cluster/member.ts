import { type Clock, systemClock } from '@millrace/ports';
import { type BrokerProcess, startBrokerProcess } from '../broker-process.ts';
import { collectForBuffersSeldom } from '../heap.ts';
import type { HttpSite } from '../http/http-server.ts';
import type { ClosingSite } from '../http/lazy-site.ts';
import { ExitCode, StartError } from '../start-error.ts';
import { leadingTo } from './cluster-http.ts';
import type { FromMember, MemberStart, ToMember } from './messages.ts';

/** How long a broker without a parent may take to flush its logs: its ports must be free for the next one. */
export const ORPHAN_MS_MAX = 3000;

/** What a member needs of its process. */
export interface ClusterMemberOptions {
  readonly env: NodeJS.ProcessEnv;
  tell(message: FromMember): void;
  exit(exitCode: number): void;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Starts the broker. Default: a real one. */
  readonly startBroker?: typeof startBrokerProcess;
}

/** One broker of a local cluster, as its parent's messages move it. */
export class ClusterMember {
  readonly #options: ClusterMemberOptions;
  #broker: BrokerProcess | undefined;
  #isStopping = false;

  constructor(options: ClusterMemberOptions) {
    this.#options = options;
  }

  told(message: ToMember): void {
    if (message.type === 'start') void this.#start(message);
    else void this.#stop({ handsOver: false });
  }

  /** This broker alone is to stop, so that the others take over what it leads. */
  stopAlone(): void {
    void this.#stop({ handsOver: true });
  }

  /** The parent is gone, and with it the metadata: nothing can be decided any more. */
  orphaned(): void {
    const { clock = systemClock, exit } = this.#options;
    clock.schedule(ORPHAN_MS_MAX, () => exit(ExitCode.FORCED));
    this.#broker?.logger.error({}, 'The cluster has lost its metadata: the process that keeps it has ended. Stopping');
    void this.#stop({ handsOver: false });
  }

  async #start({ brokerId, configFile, overrides, sitePort }: MemberStart): Promise<void> {
    collectForBuffersSeldom();
    try {
      const { startBroker = startBrokerProcess } = this.#options;
      const broker = await startBroker({
        configFile,
        overrides,
        name: `broker ${brokerId}`,
        env: this.#options.env,
        site: sitePort === undefined ? undefined : () => Promise.resolve(closing(leadingTo(sitePort))),
      });
      this.#broker = broker;
      void broker.unusable.then((err) => this.#gaveUp(err));
      this.#options.tell({ type: 'ready', endpoints: broker.endpoints, httpPort: broker.httpPort });
      if (this.#isStopping) await broker.stop({ handsOver: false });
    } catch (error) {
      const code = error instanceof StartError ? error.code : 'START_FAILED';
      this.#options.tell({ type: 'failed', message: error instanceof Error ? error.message : String(error), code });
      this.#options.exit(error instanceof StartError ? error.exitCode : ExitCode.FAILED);
    }
  }

  async #stop({ handsOver }: { readonly handsOver: boolean }): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    try {
      await this.#broker?.stop({ handsOver });
      this.#options.exit(ExitCode.STOPPED);
    } catch (err) {
      this.#broker?.logger.error({ err }, 'Could not stop in order');
      this.#options.exit(ExitCode.FAILED);
    }
  }

  async #gaveUp(err: Error): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#broker?.logger.error({ err }, 'Stopping, because the disk does not keep what is written');
    await this.#broker?.stop({ handsOver: true }).catch(() => {});
    this.#options.exit(ExitCode.DISK);
  }
}

function closing(site: HttpSite): ClosingSite {
  return { handle: site.handle, close: () => Promise.resolve() };
}
