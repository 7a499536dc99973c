import { isMetadataError, type NodeContent } from '@millrace/metadata';
import type { Dice } from './dice.ts';
import type { EnsembleSession } from './ensemble.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/** What is written over: a node that is there, or one that somebody puts where brokers look for notes and requests. */
export const scribbledNodes = [
  'topic',
  'topic',
  'state',
  'state',
  'topic config',
  'topic config',
  'broker config',
  'broker',
  'controller',
  'controller epoch',
  'isr note',
  'log folder note',
  'config note',
  'reassignment',
  'preferred election',
  'deletion',
  'user',
  'client quota',
  'no topic',
  'configs of no topic',
  'deletion of no topic',
] as const;

export type ScribbledNode = (typeof scribbledNodes)[number];

/** What stands in it then. */
export const scribbles = ['nothing', 'half', 'noise', 'other types', 'a list', 'null', 'another version'] as const;

export type Scribble = (typeof scribbles)[number];

/** What a scribbler works with. */
export interface ScribblerOptions {
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  /** A session that nothing goes wrong with. */
  readonly session: EnsembleSession;
  readonly note: (message: string) => void;
}

interface Damage {
  readonly path: string;
  /** What was there; undefined where nothing was. */
  readonly before: Buffer | undefined;
  /** The version of the node that holds the scribble: whoever changes it since knows better. */
  readonly version: number;
}

const NOTES: Readonly<Partial<Record<ScribbledNode, string>>> = {
  'isr note': '/isr_change_notification/isr_change_',
  'log folder note': '/log_dir_event_notification/log_dir_event_',
  'config note': '/config/changes/config_change_',
};

const REQUESTS: Readonly<Partial<Record<ScribbledNode, string>>> = {
  reassignment: '/admin/reassign_partitions',
  'preferred election': '/admin/preferred_replica_election',
  deletion: '/admin/delete_topics/nobody-has-this',
  user: '/config/users/somebody',
  'client quota': '/config/clients/something',
  'no topic': '/brokers/topics/no topic',
  'configs of no topic': '/config/topics/no topic',
  'deletion of no topic': '/admin/delete_topics/no topic',
};

const NOISE_BYTES = 40;

/** Writes rubbish into nodes of the metadata store that brokers read, and puts back after a time what was there. */
export class Scribbler {
  readonly #options: ScribblerOptions;
  readonly #damages = new Set<Damage>();
  #isOver = false;

  constructor(options: ScribblerOptions) {
    this.#options = options;
  }

  /** Whether something is still to be mended. */
  get hasDamaged(): boolean {
    return this.#damages.size > 0;
  }

  async scribble(node: ScribbledNode, scribble: Scribble, durationMs: number): Promise<void> {
    const prefix = NOTES[node];
    if (prefix !== undefined) return this.#leaveNote(prefix, scribble);
    const path = REQUESTS[node] ?? (await this.#pathOf(node));
    if (path === undefined || this.#isOver) return;
    if ([...this.#damages].some((each) => each.path === path)) return;
    const damage = await this.#damage(path, scribble);
    if (damage === undefined) return;
    this.#options.note(`${scribble} stands in ${path} for ${durationMs.toFixed(0)} ms`);
    this.#damages.add(damage);
    // Tools that write configs tell of it; whoever writes rubbish may or may not.
    if (path.startsWith('/config/') && this.#options.dice.chance(50)) await this.#tellOf(path);
    this.#options.clock.schedule(durationMs, () => void this.#mend(damage));
  }

  /** All that is still damaged is as it was. */
  async mendAll(): Promise<void> {
    this.#isOver = true;
    for (const damage of this.#damages) await this.#mend(damage);
  }

  async #leaveNote(prefix: string, scribble: Scribble): Promise<void> {
    const { session, note } = this.#options;
    const path = await session.create(prefix, this.#rubbish(Buffer.from('{}'), scribble), { sequential: true });
    note(`${scribble} stands in ${path}`);
  }

  async #pathOf(node: ScribbledNode): Promise<string | undefined> {
    const { session, dice } = this.#options;
    const some = async (parent: string): Promise<string | undefined> => {
      const names = await session.children(parent).catch(() => []);
      return names.length === 0 ? undefined : `${parent}/${dice.pick(names.toSorted())}`;
    };
    switch (node) {
      case 'topic':
        return some('/brokers/topics');
      case 'state': {
        const partition = await some(`${await some('/brokers/topics')}/partitions`);
        return partition && `${partition}/state`;
      }
      case 'topic config':
        return some('/config/topics');
      case 'broker config':
        return some('/config/brokers');
      case 'broker':
        return some('/brokers/ids');
      case 'controller':
        return '/controller';
      default:
        return '/controller_epoch';
    }
  }

  /** Undefined where somebody else was at the node in the same moment. */
  async #damage(path: string, scribble: Scribble): Promise<Damage | undefined> {
    const { session } = this.#options;
    const node = await this.#read(path);
    // Half of a number is another number, and nobody can know it from what was there.
    const isNumber = path === '/controller_epoch' && scribble === 'half';
    const before = node?.data ?? Buffer.from('{"version":1,"partitions":[]}');
    const data = this.#rubbish(before, isNumber ? 'noise' : scribble);
    try {
      if (node === undefined) {
        if (!Object.values(REQUESTS).includes(path)) return undefined;
        await session.create(path, data);
        return { path, before: undefined, version: 0 };
      }
      const { version } = await session.set(path, data, { exactly: node.stat.version });
      return { path, before: node.data, version };
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE', 'NODE_EXISTS', 'BAD_VERSION')) return undefined;
      throw error;
    }
  }

  async #mend(damage: Damage): Promise<void> {
    if (!this.#damages.delete(damage)) return;
    const { session, note, dice } = this.#options;
    const { path, before, version } = damage;
    const expected = { exactly: version };
    try {
      await (before === undefined ? session.delete(path, expected) : session.set(path, before, expected));
      note(`${path} is as it was`);
    } catch (error) {
      // Somebody else has written to it since, or removed it.
      if (!isMetadataError(error, 'NO_NODE', 'BAD_VERSION')) throw error;
      return;
    }
    if (path.startsWith('/config/') && dice.chance(50)) await this.#tellOf(path);
  }

  async #tellOf(path: string): Promise<void> {
    const data = Buffer.from(JSON.stringify({ version: 2, entity_path: path.slice('/config/'.length) }));
    await this.#options.session.create('/config/changes/config_change_', data, { sequential: true });
  }

  #read(path: string): Promise<NodeContent | undefined> {
    return this.#options.session.get(path).catch((error: unknown) => {
      if (isMetadataError(error, 'NO_NODE')) return undefined;
      throw error;
    });
  }

  #rubbish(before: Buffer, scribble: Scribble): Buffer {
    const { dice } = this.#options;
    switch (scribble) {
      case 'nothing':
        return Buffer.alloc(0);
      case 'half':
        return before.subarray(0, Math.floor(before.length / 2));
      case 'noise':
        return Buffer.from(Array.from({ length: NOISE_BYTES }, () => dice.nextInt(256)));
      case 'other types':
        return Buffer.from(JSON.stringify(withOtherTypes(JSON.parse(before.toString()))));
      case 'a list':
        return Buffer.from('[1,2,3]');
      case 'null':
        return Buffer.from('null');
      case 'another version':
        return Buffer.from('{"version":99,"payload":"AAAA"}');
    }
  }
}

/** The same fields, and nothing in them is of the type that it should be. */
function withOtherTypes(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return { value: json };
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, typeof value === 'object' ? 'text' : { is: value }]),
  );
}
