import { ignoreNoNode, type NodeContent, type Watcher } from '@millrace/metadata';
import { topicNameFault } from '../../cluster/topic-name.ts';
import { randomUuid } from '../../shared/uuid.ts';
import {
  decodeTopic,
  encodeTopic,
  MalformedNodeError,
  paths,
  type ReplicaAssignment,
  type TopicAssignment,
} from '../../store/znodes.ts';
import { PartitionContext, type TopicContext } from '../controller-context.ts';
import type { TermTools } from './tools.ts';

/** The nodes of topics, as a term reads them. Each that is read is watched, also where nobody can read what is in it: it may be mended. */
export class TopicNodes {
  readonly #tools: TermTools;
  readonly #watch: Watcher;

  constructor(tools: TermTools, watch: Watcher) {
    this.#tools = tools;
    this.#watch = watch;
  }

  /** Reads topics that are not known yet. One whose node nobody can read is left out until that is mended. */
  async load(names: readonly string[]): Promise<TopicContext[]> {
    const read = names.map(async (name): Promise<TopicContext | undefined> => {
      const node = await this.#get(name);
      const read = node && this.#decode(name, node);
      if (node === undefined || read === undefined) return undefined;
      const id = read.topicId ?? (await this.#giveId(name, read.partitions, node.stat.version));
      const partitions: PartitionContext[] = [];
      const topic = { name, id, partitions };
      for (const [index, assignment] of read.partitions.entries()) {
        partitions.push(new PartitionContext(topic, index, assignment));
      }
      return topic;
    });
    const topics = (await Promise.all(read)).filter((topic) => topic !== undefined);
    for (const topic of topics) this.#tools.context.topics.set(topic.name, topic);
    return topics;
  }

  /** What a topic's node says now; undefined where there is none, or nobody can read it. */
  async read(name: string): Promise<TopicAssignment | undefined> {
    const node = await this.#get(name);
    return node && this.#decode(name, node);
  }

  async #get(name: string): Promise<NodeContent | undefined> {
    const fault = topicNameFault(name);
    if (fault === undefined) {
      return this.#tools.options.store.get(paths.topic(name), { watch: this.#watch }).catch(ignoreNoNode);
    }
    this.#tools.logger.error({ topic: name, fault }, 'A topic whose name no topic may have is passed over');
    return undefined;
  }

  #decode(name: string, { data }: NodeContent): TopicAssignment | undefined {
    try {
      return decodeTopic(name, data);
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      const message = 'A topic cannot be read; nobody will lead its partitions anew until its node is mended';
      this.#tools.logger.error({ err, topic: name }, message);
      return undefined;
    }
  }

  /**
   * Topics that Kafka made before 2.8 have no id, and a tool of that age that changes a topic takes its id away (KAFKA-14190). Another one
   * would have every broker set the topic's logs aside as those of another topic.
   */
  async #giveId(topic: string, partitions: readonly ReplicaAssignment[], version: number): Promise<string> {
    const { options, logger, states } = this.#tools;
    const { knownTopicId, random } = options;
    const known = knownTopicId?.(topic, partitions.length);
    if (known !== undefined) logger.warn({ topic, topicId: known }, 'A topic had lost its id, and gets it back');
    const id = known ?? randomUuid(random);
    const data = encodeTopic(id, partitions);
    await states.writeAll([[{ type: 'set', path: paths.topic(topic), data, expected: { exactly: version } }]]);
    return id;
  }
}
