/** Reads a compose file as far as a cluster of brokers, ZooKeepers and consoles needs it. */
import { parse } from 'yaml';

/** A service of the file, with all forms of writing brought to one. */
export interface Service {
  readonly name: string;
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  /** Ports of the container by which they are reached from outside. */
  readonly ports: ReadonlyMap<number, number>;
  /** What is mounted where in the container: a volume's name or a path beside the file. */
  readonly volumes: ReadonlyMap<string, string>;
  /** Where volumes without a name are mounted: each service has its own. */
  readonly anonymous: ReadonlySet<string>;
  /** Files of the container with what is in them. */
  readonly files: ReadonlyMap<string, string>;
}

/** A compose file that cannot be used, with the place in it. */
export class ComposeError extends Error {
  override readonly name = 'ComposeError';
  readonly code = 'COMPOSE_INVALID';
  readonly retriable = false;
}

type Tree = Readonly<Record<string, unknown>>;

/** The services of a compose file; variables as `${NAME:-default}` are taken from `env`. */
export function readCompose(text: string, env: NodeJS.ProcessEnv): Service[] {
  const file: unknown = parse(text, { merge: true });
  const services = treeOf(treeOf(file, 'the file')['services'], 'services');
  const configs = treeOf(treeOf(file, 'the file')['configs'] ?? {}, 'configs');
  return Object.entries(services).map(([name, service]) => serviceOf(name, treeOf(service, name), { configs, env }));
}

interface Around {
  readonly configs: Tree;
  readonly env: NodeJS.ProcessEnv;
}

function serviceOf(name: string, service: Tree, { configs, env }: Around): Service {
  const text = (value: unknown): string => interpolate(String(value ?? ''), env, name);
  const list = (value: unknown): readonly unknown[] =>
    Array.isArray(value) ? value : value === undefined ? [] : [value];
  const volumes = list(service['volumes']).map((volume) => volumeOf(volume, text));
  return {
    name,
    image: text(service['image']),
    environment: environmentOf(service['environment'], text, name),
    command: commandOf(service['command'], text),
    ports: new Map(list(service['ports']).map((port) => portOf(port, text, name))),
    volumes: new Map(volumes.flatMap(({ target, source }) => (source === undefined ? [] : [[target, source]]))),
    anonymous: new Set(volumes.flatMap(({ target, source }) => (source === undefined ? [target] : []))),
    files: new Map(
      list(service['configs']).map((config) => {
        const { source, target } = treeOf(config, `${name}.configs`);
        const { content } = treeOf(configs[text(source)], `configs.${text(source)}`);
        return [text(target), text(content)];
      }),
    ),
  };
}

function treeOf(value: unknown, place: string): Tree {
  // Whatever it holds is looked at before it is used.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Tree;
  throw new ComposeError(
    `The compose file says nothing that can be used at ${place}: a map of names is expected there`,
  );
}

/** `NAME: value` or a list of `NAME=value`; a name alone is the environment's own. */
function environmentOf(given: unknown, text: (value: unknown) => string, place: string): Record<string, string> {
  if (given === undefined || given === null) return {};
  if (!Array.isArray(given)) {
    return Object.fromEntries(Object.entries(treeOf(given, `${place}.environment`)).map(([k, v]) => [k, text(v)]));
  }
  return Object.fromEntries(
    given.map((line) => {
      const [name = '', ...rest] = String(line).split('=');
      return [name, rest.length === 0 ? text(`\${${name}}`) : text(rest.join('='))];
    }),
  );
}

function commandOf(given: unknown, text: (value: unknown) => string): string[] {
  if (given === undefined || given === null) return [];
  return Array.isArray(given)
    ? given.map(text)
    : text(given)
        .split(/\s+/)
        .filter((word) => word !== '');
}

/** `[ADDRESS:][OUTSIDE:]INSIDE[/tcp]`, or a map with `target` and `published`. */
function portOf(given: unknown, text: (value: unknown) => string, place: string): [number, number] {
  const parts =
    typeof given === 'object' && given !== null
      ? [text((given as Tree)['published'] ?? (given as Tree)['target']), text((given as Tree)['target'])]
      : text(given)
          .replace(/\/tcp$/, '')
          .split(':')
          .slice(-2);
  const [outside, inside = outside] = parts.map(Number);
  if (outside === undefined || inside === undefined || !Number.isInteger(outside) || !Number.isInteger(inside)) {
    throw new ComposeError(`${place}.ports: ${JSON.stringify(given)} is no port that can be published`);
  }
  return [inside, outside];
}

interface Volume {
  readonly target: string;
  readonly source: string | undefined;
}

/** `SOURCE:TARGET[:ro]`, or a map with `source` and `target`; a target alone is a volume without a name. */
function volumeOf(given: unknown, text: (value: unknown) => string): Volume {
  if (typeof given === 'object' && given !== null) {
    const { source, target } = given as Tree;
    return { target: text(target), source: source === undefined || source === null ? undefined : text(source) };
  }
  const [first = '', second] = text(given).split(':');
  return second === undefined ? { target: first, source: undefined } : { target: second, source: first };
}

/** `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `$NAME`; `$$` is a dollar. */
function interpolate(text: string, env: NodeJS.ProcessEnv, place: string): string {
  return text.replace(/\$(?:(\$)|\{(\w+)(?:(:?-)([^}]*))?\}|(\w+))/g, (whole, dollar, braced, dash, fallback, bare) => {
    if (dollar !== undefined) return '$';
    const value = env[braced ?? bare];
    if (dash !== undefined) return value === undefined || (dash === ':-' && value === '') ? fallback : value;
    if (value === undefined) throw new ComposeError(`${place} asks for ${whole}, which is not in the environment`);
    return value;
  });
}
