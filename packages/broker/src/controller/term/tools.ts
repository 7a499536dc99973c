import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Random } from '@millrace/ports';
import type { BrokerChannel, LiveBroker } from '../../cluster/broker-channel.ts';
import type { Logger } from '../../shared/logger.ts';
import type { BrokerCommands } from '../broker-commands.ts';
import type { ControllerContext } from '../controller-context.ts';
import type { UncleanTopics } from '../leader-election.ts';
import type { StateWriter } from './state-writer.ts';

/** What a term works with. */
export interface ControllerTermOptions {
  readonly brokerId: number;
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The highest epoch of a controller that this broker remembers: a store that was put back from a copy may be behind it. Default -1. */
  readonly rememberedEpoch?: () => number;
  /** Opens the way to a broker for as long as it is registered as it is now; the term closes it. */
  readonly openChannel: (broker: LiveBroker, onOverflow: () => void) => BrokerChannel;
  /** In which form the node of features is written, by `inter.broker.protocol.version`. Default 2. */
  readonly featureNodeVersion?: 1 | 2;
  /** Whether brokers tell one another that a leader is recovering, by `inter.broker.protocol.version`. Default true. */
  readonly hasRecoveryState?: boolean;
  /** `delete.topic.enable`. */
  readonly isDeletionEnabled: () => boolean;
  /** A leader was elected, in sync or not; for metrics. */
  readonly onElection?: (isClean: boolean) => void;
  /** How long it took to elect leaders after brokers came or went, in milliseconds; for metrics. */
  readonly onBrokerChange?: (tookMs: number) => void;
  /** Those of topics with `unclean.leader.election.enable`, as the store has it now. */
  readonly allowingUncleanElection: UncleanTopics;
  /** The id by which this broker knows a topic of so many partitions; undefined where it knows none. */
  readonly knownTopicId?: (topic: string, partitions: number) => string | undefined;
  /** `auto.leader.rebalance.enable` and what belongs to it. */
  readonly rebalance: () => {
    readonly isEnabled: boolean;
    readonly intervalMs: number;
    /** `leader.imbalance.per.broker.percentage` */
    readonly imbalancePercentMax: number;
  };
}

/** What the parts of a term share. */
export interface TermTools {
  readonly options: ControllerTermOptions;
  readonly epoch: number;
  readonly context: ControllerContext;
  readonly states: StateWriter;
  readonly logger: Logger;
  /** Collects commands; what belongs to one change of states goes out together. */
  commands(): BrokerCommands;
  /** Puts commands on their way. */
  send(commands: BrokerCommands): void;
}
