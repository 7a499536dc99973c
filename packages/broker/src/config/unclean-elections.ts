import { MalformedNodeError } from '../store/znodes.ts';
import type { ConfigEntity, ConfigRepository } from './config-repository.ts';
import { type ConfigProperties, withOverrides } from './topic-config.ts';

type Configs = Pick<ConfigRepository, 'stored' | 'dynamic'>;

/**
 * Which topics let a replica lead that is not in sync, as the store has it now: what another broker has acknowledged that it was told to
 * refuse may not have come here yet, and such an election loses records. What nobody can read may refuse it.
 * @throws MetadataError
 */
export async function allowingUncleanElection(
  configs: Configs,
  topics: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const [broker, all] = await Promise.all([
    readable(configs, { type: 'broker', level: 'broker' }),
    readable(configs, { type: 'broker', level: 'default' }),
  ]);
  if (broker === undefined || all === undefined) return new Set();
  const defaults = configs.dynamic.topicDefaultsWith({ broker, default: all });
  const allowing = await Promise.all(
    Array.from(topics, async (name) => {
      const overrides = await readable(configs, { type: 'topic', name });
      const isAllowing = overrides !== undefined && withOverrides(defaults, overrides).uncleanLeaderElectionEnable;
      return isAllowing ? [name] : [];
    }),
  );
  return new Set(allowing.flat());
}

/** Undefined where nobody can read what is set. */
async function readable(configs: Configs, entity: ConfigEntity): Promise<ConfigProperties | undefined> {
  try {
    return await configs.stored(entity);
  } catch (err) {
    if (err instanceof MalformedNodeError) return undefined;
    throw err;
  }
}
